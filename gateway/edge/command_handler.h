#pragma once

#include <map>
#include <optional>
#include <string>

#include "gateway/auth/app.h"
#include "gateway/base/rate_window.h"
#include "gateway/base/string_map.h"
#include "gateway/base/token_bucket.h"
#include "gateway/dialect/dialect.h"
#include "gateway/edge/connection_limits.h"
#include "gateway/hub/session.h"

namespace carillon::edge {

// What a session may still be waiting for before it is a full one.
struct SessionState {
  bool owes_auth = false;
  std::vector<std::string> streams;  // asked for at connect, to be judged when the identity is known
  dialect::WantedByStream wanted;    // of what was missed, likewise

  // The message was a token whose key is not known, and was not answered: it is to be handled again when newer keys are
  // there (auth::Verifier::AwaitKeys), or known not to be.
  bool unknown_key = false;
  bool keys_are_fresh = false;

  // How fast messages come.
  std::optional<TokenBucket> rate;  // made with the first message
  TokenBucket::Clock::time_point told_at;
  TokenBucket::Clock::time_point dropped_at;  // the last one
  TokenBucket::Clock::time_point too_fast_since;
  StringMap<RateWindow> event_rates;  // by rule and event, of those that have one
  RateWindow forbidden;               // requests for what it may not have
  RateWindow entered;                 // streams that know who is there
};

// Applies what clients say to their session, and answers. Holds nothing of a session itself.
// Thread: any one of the shards, with a session of that shard.
class CommandHandler {
 public:
  // The apps must outlive it. `limits` may be null: there are none.
  explicit CommandHandler(const auth::LiveApps& apps, std::shared_ptr<const ConnectionLimits> limits = nullptr)
      : apps_(apps), limits_(std::move(limits)) {}

  // The session begins: admits it, subscribes it to what it asked for and welcomes it.
  void Begin(hub::Session& session, SessionState& state) const;

  // See auth::Verifier::AwaitKeys.
  bool AwaitKeys(const hub::Session& session, std::function<void()> done) const;

  // A whole message came. See SessionState::unknown_key.
  void Handle(hub::Session& session, SessionState& state, wire::Opcode opcode, std::string_view payload) const;

 private:
  // False where the message came too fast and is not to be looked at.
  static bool ComesInTime(hub::Session& session, SessionState& state);

  static void CountForbidden(hub::Session& session, SessionState& state);
  static void Send(hub::Session& session, const dialect::Publish& command, std::map<std::string, std::string> meta);

  void On(hub::Session& session, SessionState& state, const dialect::Subscribe& command) const;
  void On(hub::Session& session, SessionState& state, const dialect::Unsubscribe& command) const;
  void On(hub::Session& session, SessionState& state, const dialect::Ping& command) const;
  void On(hub::Session& session, SessionState& state, const dialect::Auth& command) const;
  void On(hub::Session& session, SessionState& state, const dialect::Publish& command) const;
  void On(hub::Session& session, SessionState& state, const dialect::ListMembers& command) const;
  void On(hub::Session& session, SessionState& state, const dialect::SetMood& command) const;
  void On(hub::Session& session, SessionState& state, const dialect::Echo& command) const;
  void On(hub::Session& session, SessionState& state, const dialect::Nonsense& command) const;
  void On(hub::Session& session, SessionState& state, const dialect::Refused& command) const;

  // `id` is that of the frame that brought the token, where one did; `inbox` what became of its user's log.
  void Welcome(hub::Session& session, SessionState& state, const auth::App& app, const dialect::RequestId& id,
               const hub::SubscribeAnswer& inbox) const;

  // What became of a list of streams.
  struct Judged {
    std::vector<std::string>* taken;
    std::vector<dialect::RefusedStream>* refused;
    std::vector<dialect::LogState>* logs;
    const StringMap<std::string>* tokens;  // for a stream alone; null: none
    RateWindow* entered;
  };
  // Subscribes to each that is allowed, each name once. Without `filter`, what the session listens to already stays as
  // it is. True where one was forbidden.
  bool SubscribeAll(hub::Session& session, const auth::App& app, const std::vector<std::string>& streams,
                    const dialect::WantedByStream& wanted, const wire::FilterPtr* filter, const Judged& judged) const;

  const auth::LiveApps& apps_;
  const std::shared_ptr<const ConnectionLimits> limits_;
};

}  // namespace carillon::edge
