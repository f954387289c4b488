#pragma once

#include "gateway/auth/app.h"
#include "gateway/dialect/dialect.h"
#include "gateway/edge/limit_warnings.h"
#include "gateway/edge/session_state.h"
#include "gateway/hub/session.h"

namespace carillon::edge {

// What clients ask of who is in their streams, and say of themselves there; answered to the session. Only of streams
// that the session listens to. Thread: the session's shard's.
void AnswerMembers(hub::Session& session, const dialect::ListMembers& command);
// INVARIANT: the session has a user. `warnings` null: nobody is warned.
void AnswerMood(hub::Session& session, SessionState& state, const auth::App& app, LimitWarnings* warnings,
                const dialect::SetMood& command);

}  // namespace carillon::edge
