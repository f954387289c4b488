#pragma once

#include "absl/functional/any_invocable.h"
#include "carillon/v1/admin.pb.h"
#include "control/caller.h"
#include "control/control_service.h"
#include "gateway/hub/node.h"

// ListSessions, GetSession and TopSlow. `done` is called once, on any thread, unless the status is an error. The
// response must live until then.
namespace carillon::control {

Status ListSessions(hub::Node& node, const Caller& caller, const v1::ListSessionsRequest& request,
                    v1::ListSessionsResponse* response, absl::AnyInvocable<void(const Status&)> done);

// NOT_FOUND, also by `done`: the session is not there. What is measured is measured for less when the gateway ends.
Status GetSession(ControlContext& context, const Caller& caller, const v1::GetSessionRequest& request,
                  v1::GetSessionResponse* response, absl::AnyInvocable<void(const Status&)> done);

Status TopSlow(hub::Node& node, const Caller& caller, const v1::TopSlowRequest& request, v1::TopSlowResponse* response,
               absl::AnyInvocable<void(const Status&)> done);

}  // namespace carillon::control
