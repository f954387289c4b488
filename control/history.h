#pragma once

#include "carillon/v1/control.pb.h"
#include "control/caller.h"
#include "gateway/base/status.h"
#include "gateway/engine/engine.h"
#include "gateway/wire/topic.h"

namespace carillon::control {

// What backends ask of logs. Errors as the engine's, Caller's, and INVALID_ARGUMENT naming the field. Any thread.

// A page of at most kMaxPageBytes and one message; messages that may no longer be given are left out.
inline constexpr size_t kMaxPageBytes = 1 << 20;
Status ListMessages(engine::Engine& engine, const Caller& caller, const v1::ListMessagesRequest& request,
                    v1::ListMessagesResponse* response);

// The log that was cleared.
StatusOr<wire::Topic> ClearMessages(engine::Engine& engine, const Caller& caller,
                                    const v1::ClearMessagesRequest& request, v1::ClearMessagesResponse* response);

}  // namespace carillon::control
