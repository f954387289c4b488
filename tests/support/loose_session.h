#pragma once

#include "gateway/hub/session.h"
#include "gateway/hub/shard.h"

namespace carillon::test {

// A shard without a thread, for objects that only want to belong to one.
class IdleShard {
 public:
  hub::Shard& shard() { return shard_; }

 private:
  hub::Shard shard_{0, 64, 1 << 20};
};

// A session of such a shard, with a transport that does nothing: for data structures that hold sessions.
class LooseSession : public hub::Transport {
 public:
  explicit LooseSession(IdleShard& idle)
      : session_(idle.shard(), settings_, *this, SessionId{0, 1}, wire::kDefaultApp, nullptr) {}

  hub::Session& session() { return session_; }
  std::vector<hub::Subscription>& subscriptions() { return session_.subscriptions(); }

  void Flush() override {}
  void Withdraw(std::string_view) override {}
  void Prefetch() const override {}
  Peer peer() const override { return {"203.0.113.7", "/ws"}; }
  void Close(wire::CloseCode, std::string_view, wire::CloseCode) override {}

 private:
  hub::SessionSettings settings_;
  hub::Session session_;
};

}  // namespace carillon::test
