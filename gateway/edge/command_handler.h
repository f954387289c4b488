#pragma once

#include "gateway/auth/verifier.h"
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
};

// Applies what clients say to their session, and answers. Holds nothing of a session itself.
// Thread: any one of the shards, with a session of that shard.
class CommandHandler {
 public:
  // `limits` may be null: there are none.
  explicit CommandHandler(std::shared_ptr<const auth::Verifier> tokens,
                          std::shared_ptr<const ConnectionLimits> limits = nullptr)
      : tokens_(std::move(tokens)), limits_(std::move(limits)) {}

  // The session begins: admits it, subscribes it to what it asked for and welcomes it.
  void Begin(hub::Session& session, SessionState& state) const;

  const auth::Verifier& tokens() const { return *tokens_; }

  // A whole message came. See SessionState::unknown_key.
  void Handle(hub::Session& session, SessionState& state, wire::Opcode opcode, std::string_view payload) const;

 private:
  void On(hub::Session& session, SessionState& state, const dialect::Subscribe& command) const;
  void On(hub::Session& session, SessionState& state, const dialect::Unsubscribe& command) const;
  void On(hub::Session& session, SessionState& state, const dialect::Ping& command) const;
  void On(hub::Session& session, SessionState& state, const dialect::Auth& command) const;
  void On(hub::Session& session, SessionState& state, const dialect::Publish& command) const;
  void On(hub::Session& session, SessionState& state, const dialect::Echo& command) const;
  void On(hub::Session& session, SessionState& state, const dialect::Nonsense& command) const;
  void On(hub::Session& session, SessionState& state, const dialect::Refused& command) const;

  // `id` is that of the frame that brought the token, where one did; `inbox` what became of its user's log.
  void Welcome(hub::Session& session, SessionState& state, const dialect::RequestId& id,
               const hub::SubscribeAnswer& inbox) const;

  const std::shared_ptr<const auth::Verifier> tokens_;
  const std::shared_ptr<const ConnectionLimits> limits_;
};

}  // namespace carillon::edge
