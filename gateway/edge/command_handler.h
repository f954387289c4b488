#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "gateway/auth/app.h"
#include "gateway/dialect/dialect.h"
#include "gateway/edge/connection_limits.h"
#include "gateway/edge/session_state.h"
#include "gateway/hub/session.h"

namespace carillon::edge {

// Applies what clients say to their session, and answers. Holds nothing of a session itself.
// Thread: any one of the shards, with a session of that shard.
class CommandHandler {
 public:
  // The apps must outlive it. `limits` may be null: there are none.
  explicit CommandHandler(const auth::LiveApps& apps, std::shared_ptr<ConnectionLimits> limits = nullptr)
      : apps_(apps), limits_(std::move(limits)) {}

  // The session begins: admits it, subscribes it to what it asked for and welcomes it.
  void Begin(hub::Session& session, SessionState& state) const;

  // See auth::Verifier::AwaitKeys.
  bool AwaitKeys(const hub::Session& session, std::function<void()> done) const;

  // A whole message came. See SessionState::unknown_key.
  void Handle(hub::Session& session, SessionState& state, wire::Opcode opcode, std::string_view payload) const;

 private:
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
  const std::shared_ptr<ConnectionLimits> limits_;
};

}  // namespace carillon::edge
