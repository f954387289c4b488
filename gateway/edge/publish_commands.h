#pragma once

#include <optional>

#include "gateway/auth/app.h"
#include "gateway/dialect/dialect.h"
#include "gateway/edge/limit_warnings.h"
#include "gateway/edge/session_state.h"
#include "gateway/hub/session.h"

namespace carillon::edge {

// Publishes what a client says to a stream, where the stream's rule lets it; answered to the session. True where that
// was forbidden. *question: a backend is to be asked first; it is to be called again with the answer in
// SessionState::known. `warnings` null: nobody is warned. Thread: the session's shard's.
bool AnswerPublish(hub::Session& session, SessionState& state, const auth::App& app, LimitWarnings* warnings,
                   const dialect::Publish& command, std::optional<Question>* question);

}  // namespace carillon::edge
