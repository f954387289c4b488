#pragma once

#include "carillon/v1/control.pb.h"
#include "control/caller.h"
#include "control/unary_calls.h"
#include "gateway/hub/node.h"

// SubscribeUser and UnsubscribeUser: streams that a backend gives to sessions and takes from them. `done` is called
// once, on any thread, unless the status is an error. The response must live until then.
namespace carillon::control {

Status SubscribeUser(hub::Node& node, const Caller& caller, const v1::SubscribeUserRequest& request,
                     v1::SubscribeUserResponse* response, absl::AnyInvocable<void(const Status&)> done);

Status UnsubscribeUser(hub::Node& node, const Caller& caller, const v1::UnsubscribeUserRequest& request,
                       v1::UnsubscribeUserResponse* response, absl::AnyInvocable<void(const Status&)> done);

}  // namespace carillon::control
