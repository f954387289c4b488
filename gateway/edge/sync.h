#pragma once

#include "gateway/dialect/dialect.h"
#include "gateway/hub/session.h"

namespace carillon::edge {

// Sends again what the logs of a session's streams, and of its user, have kept since a message that the client had, or
// since a time; with neither, nothing. Answered with where it stands. Thread: the session's shard's.
void AnswerSync(hub::Session& session, const dialect::Sync& command);

}  // namespace carillon::edge
