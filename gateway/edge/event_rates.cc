#include "gateway/edge/event_rates.h"

#include <fmt/format.h>

#include "gateway/edge/refusals.h"

namespace carillon::edge {

std::optional<dialect::Refusal> TakeTurn(hub::Session& session, SessionState& state, const auth::App& app,
                                         LimitWarnings* warnings, const Turn& turn) {
  const auto& [count, window] = turn.rate;
  if (count == 0) return std::nullopt;
  RateWindow& taken = state.event_rates[turn.key];
  auto now = RateWindow::Clock::now();  // the shard's stands still between two turns
  if (!taken.Take(now, count, window)) {
    return TooFast(session, fmt::format("at most {} {} in {} ms", count, turn.what, window.count()),
                   taken.Wait(now, window));
  }
  if (warnings != nullptr && LimitWarnings::Crosses(taken.count(), count)) {
    warnings->Tell({"event_rate", app.name, taken.count(), count, std::string(turn.setting)}, session.id().ToString());
  }
  return std::nullopt;
}

}  // namespace carillon::edge
