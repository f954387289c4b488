#pragma once

#include <string>
#include <string_view>

#include "gateway/base/status.h"

namespace grpc {
class Status;
}

namespace carillon::control {

// The gRPC border: an absl::Status as clients see it, with google.rpc details. Every error carries an ErrorInfo (domain
// "carillon", a reason from the table below); INVALID_ARGUMENT that names a field adds BadRequest, RESOURCE_EXHAUSTED
// adds RetryInfo.
grpc::Status ToGrpc(const Status& status);

// The ErrorInfo reason of a status code, where the status does not say another (WithReason).
std::string_view UsualReason(absl::StatusCode code);

// The reason of a status that is an error.
std::string ReasonFor(const Status& status);

}  // namespace carillon::control
