#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gateway/auth/app.h"
#include "gateway/dialect/dialect.h"
#include "gateway/edge/limit_warnings.h"
#include "gateway/edge/session_state.h"
#include "gateway/hub/session.h"

namespace carillon::edge {

// One of so many in so long that a session may.
struct Turn {
  std::string key;   // of what they are counted together
  std::string what;  // "at most 5 WHAT in 5000 ms"
  const auth::Rate& rate;
  std::string_view setting;  // where the rate is said
};

// Counts it; returns why it comes too often. `warnings` null: nobody is warned. Thread: the session's shard's.
std::optional<dialect::Refusal> TakeTurn(hub::Session& session, SessionState& state, const auth::App& app,
                                         LimitWarnings* warnings, const Turn& turn);

}  // namespace carillon::edge
