#pragma once

#include "absl/functional/any_invocable.h"
#include "carillon/v1/control.pb.h"
#include "control/caller.h"
#include "gateway/base/status.h"
#include "gateway/hub/node.h"

namespace carillon::control {

// Keeping users and tokens out. From the return on nobody new gets in; sessions that are there are closed, on every
// shard, before `done` is called, once, on a shard's or the timers' thread; `response` must live until then. Not called
// where the request is refused: INVALID_ARGUMENT naming the field, RESOURCE_EXHAUSTED, or what Caller says. Any thread.
Status RevokeTokens(hub::Node& node, const Caller& caller, const v1::RevokeTokensRequest& request,
                    v1::RevokeTokensResponse* response, absl::AnyInvocable<void(const Status&)> done);
Status BlockUser(hub::Node& node, const Caller& caller, const v1::BlockUserRequest& request,
                 v1::BlockUserResponse* response, absl::AnyInvocable<void(const Status&)> done);

Status UnblockUser(const Caller& caller, const v1::UnblockUserRequest& request, v1::UnblockUserResponse* response);
Status ListBlockedUsers(const Caller& caller, const v1::ListBlockedUsersRequest& request,
                        v1::ListBlockedUsersResponse* response);

}  // namespace carillon::control
