#pragma once

#include "gateway/dialect/dialect.h"
#include "gateway/hub/session.h"

namespace carillon::edge {

// Shows operators who look at the session (hub/tap.h) what its client has said: what the dialect understood, and of
// that never a token. `bytes` is what the message has. Thread: the session's shard's.
void ShowSaid(const hub::Session& session, const dialect::Command& command, size_t bytes);

}  // namespace carillon::edge
