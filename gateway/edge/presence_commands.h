#pragma once

#include "gateway/auth/app.h"
#include "gateway/dialect/dialect.h"
#include "gateway/edge/session_state.h"
#include "gateway/hub/session.h"

namespace carillon::edge {

// What clients ask of who is in their streams, and say of themselves there; answered to the session. Only of streams
// that the session listens to. Thread: the session's shard's.
void AnswerMembers(hub::Session& session, const dialect::ListMembers& command);
// INVARIANT: the session has a user.
void AnswerMood(hub::Session& session, SessionState& state, const auth::App& app, const dialect::SetMood& command);

}  // namespace carillon::edge
