#pragma once

#include "absl/functional/any_invocable.h"
#include "carillon/v1/admin.pb.h"
#include "control/caller.h"
#include "control/control_service.h"

// ListNodes and Drain. `done` is called once, on any thread, unless the status is an error. The response
// must live until then. Thread: any.
namespace carillon::control {

Status ListNodes(ControlContext& context, const Caller& caller, v1::ListNodesResponse* response,
                 absl::AnyInvocable<void(const Status&)> done);

Status Drain(ControlContext& context, const Caller& caller, const v1::DrainRequest& request,
             v1::DrainResponse* response, absl::AnyInvocable<void(const Status&)> done);

}  // namespace carillon::control
