#pragma once

#include <string>
#include <vector>

#include "gateway/auth/app.h"
#include "gateway/dialect/dialect.h"
#include "gateway/edge/connection_limits.h"
#include "gateway/edge/session_state.h"
#include "gateway/hub/session.h"

// Which streams a session gets of those that it asks for, and from where on. Thread: the session's shard's.
namespace carillon::edge {

struct StreamsAsked {
  const std::vector<std::string>& streams;
  const dialect::WantedByStream& wanted;           // of what was missed
  const wire::FilterPtr* filter = nullptr;         // null: what the session listens to already stays as it is
  const StringMap<std::string>* tokens = nullptr;  // for a stream alone; null: none
  const Answers* answers = nullptr;                // of the backends that were asked; null: none was
};

// What became of them: added to what is there.
struct Judged {
  std::vector<std::string>* taken;
  std::vector<dialect::RefusedStream>* refused;
  std::vector<dialect::LogState>* logs;
};

// What backends are to be asked before; `identity` is whose the session is or will be.
std::vector<Question> QuestionsOf(hub::Session& session, const auth::App& app, const auth::Identity* identity,
                                  const StreamsAsked& asked);

// Subscribes to each that is allowed, each name once. `limits` null: there are none. True where one was forbidden.
bool SubscribeAll(hub::Session& session, SessionState& state, const auth::App& app, ConnectionLimits* limits,
                  const StreamsAsked& asked, const Judged& judged);

// After a new token: what rules impose is made of what that one says. Returns the streams that the session has lost
// because it does not say it.
std::vector<std::string> ImposeAnew(hub::Session& session, const auth::App& app);

engine::Since SinceOf(const dialect::Wanted& wanted);

// Says where the client stands in a log, if there is one or it asked.
void AddLog(std::string_view log, const hub::SubscribeAnswer& answer, std::vector<dialect::LogState>* logs);

}  // namespace carillon::edge
