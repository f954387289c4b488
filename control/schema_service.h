#pragma once

#include <memory>

#include "control/control_service.h"

namespace carillon::control {

// carillon.v1.SchemaService. Thread: gRPC's.
std::unique_ptr<grpc::Service> MakeSchemaService(ControlContext& context);

}  // namespace carillon::control
