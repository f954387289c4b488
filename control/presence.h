#pragma once

#include "carillon/v1/control.pb.h"
#include "control/caller.h"
#include "gateway/base/status.h"
#include "gateway/engine/engine.h"

namespace carillon::control {

// Who is in a stream, for backends. Errors as Caller's, INVALID_ARGUMENT naming the field, and FAILED_PRECONDITION
// where it is not known. Any thread.
Status GetPresence(engine::Engine& engine, const Caller& caller, const v1::GetPresenceRequest& request,
                   v1::GetPresenceResponse* response);

}  // namespace carillon::control
