#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "gateway/auth/app.h"
#include "gateway/dialect/dialect.h"
#include "gateway/edge/asking.h"
#include "gateway/edge/connection_limits.h"
#include "gateway/edge/session_state.h"
#include "gateway/hub/session.h"

namespace carillon::edge {

// Applies what clients say to their session, and answers. Holds nothing of a session itself.
// Thread: any one of the shards, with a session of that shard.
class CommandHandler {
 public:
  // The apps and backends must outlive it. `limits` may be null: there are none.
  CommandHandler(const auth::LiveApps& apps, const hooks::Backends& backends,
                 std::shared_ptr<ConnectionLimits> limits = nullptr)
      : apps_(apps), backends_(backends), limits_(std::move(limits)) {}

  // The session begins: admits it, subscribes it to what it asked for and welcomes it. See Waiting.
  void Begin(hub::Session& session, SessionState& state) const;

  // A whole message came. See Waiting.
  void Handle(hub::Session& session, SessionState& state, wire::Opcode opcode, std::string_view payload) const;

 private:
  // Does a command that has waited for backends.
  void Resume(hub::Session& session, SessionState& state, const dialect::Command& command,
              const Answers& answers) const;
  // Has a command wait for backends; answered with "overloaded" where too many do already.
  void Ask(hub::Session& session, SessionState& state, const dialect::Command& command,
           std::vector<Question> questions) const;
  // True where the session is to wait for the answers; see Waiting.
  bool AskFirst(hub::Session& session, SessionState& state, std::vector<Question> questions) const;
  // Who the bearer of a token is; nothing where that must be waited for.
  std::optional<StatusOr<auth::IdentityPtr>> WhoBears(hub::Session& session, SessionState& state, const auth::App& app,
                                                      const dialect::Auth& command) const;

  // False where the message came too fast and is not to be looked at.
  bool ComesInTime(hub::Session& session, SessionState& state, const auth::App& app) const;
  void LookAtSize(hub::Session& session, SessionState& state, const auth::App& app, size_t size) const;
  void LookAtUser(const hub::Session& session, const auth::App& app, const hub::SubscribeAnswer& inbox) const;
  void Warn(hub::Session& session, const LimitUse& use) const;

  LimitWarnings* warnings() const { return limits_ == nullptr ? nullptr : &limits_->warnings(); }

  static void CountForbidden(hub::Session& session, SessionState& state);

  void On(hub::Session& session, SessionState& state, const auth::App& app, const dialect::Subscribe& command) const;
  void On(hub::Session& session, SessionState& state, const auth::App& app, const dialect::Unsubscribe& command) const;
  void On(hub::Session& session, SessionState& state, const auth::App& app, const dialect::Ping& command) const;
  void On(hub::Session& session, SessionState& state, const auth::App& app, const dialect::Auth& command) const;
  void On(hub::Session& session, SessionState& state, const auth::App& app, const dialect::Publish& command) const;
  void On(hub::Session& session, SessionState& state, const auth::App& app, const dialect::ListMembers& command) const;
  void On(hub::Session& session, SessionState& state, const auth::App& app, const dialect::SetMood& command) const;
  void On(hub::Session& session, SessionState& state, const auth::App& app, const dialect::Sync& command) const;
  void On(hub::Session& session, SessionState& state, const auth::App& app, const dialect::Echo& command) const;
  void On(hub::Session& session, SessionState& state, const auth::App& app, const dialect::Nonsense& command) const;
  void On(hub::Session& session, SessionState& state, const auth::App& app, const dialect::Refused& command) const;

  // `id` is that of the frame that brought the token, where one did; `inbox` what became of its user's log.
  void Welcome(hub::Session& session, SessionState& state, const auth::App& app, const dialect::RequestId& id,
               const hub::SubscribeAnswer& inbox) const;

  const auth::LiveApps& apps_;
  const hooks::Backends& backends_;
  const std::shared_ptr<ConnectionLimits> limits_;
};

}  // namespace carillon::edge
