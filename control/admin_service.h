#pragma once

#include <memory>

#include "control/control_service.h"

namespace carillon::control {

// carillon.v1.AdminService. Thread: gRPC's.
std::unique_ptr<grpc::Service> MakeAdminService(ControlContext& context);

}  // namespace carillon::control
