#pragma once

#include <memory>

#include "control/control_service.h"

namespace carillon::control {

// carillon.v1.EventService: each call is a Watch. Thread: gRPC's.
std::unique_ptr<grpc::Service> MakeEventService(ControlContext& context);

}  // namespace carillon::control
