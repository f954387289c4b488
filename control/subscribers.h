#pragma once

#include "absl/functional/any_invocable.h"
#include "carillon/v1/control.pb.h"
#include "control/caller.h"
#include "gateway/base/status.h"
#include "gateway/hub/node.h"

namespace carillon::control {

// Asks the shards for a page of the sessions that listen to a topic, in the order of their ids, and calls `done` once,
// on a shard's or the timers' thread, when the response is complete; `response` must live until then. Not called where
// the request is refused: INVALID_ARGUMENT naming the field, or what Caller says. Any thread.
Status ListSubscribers(hub::Node& node, const Caller& caller, const v1::SubscribersRequest& request,
                       v1::SubscribersResponse* response, absl::AnyInvocable<void(const Status&)> done);

}  // namespace carillon::control
