#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/hub/session.h"
#include "gateway/hub/shard.h"
#include "tests/support/test_node.h"

namespace carillon::test {

// A session whose transport is this object: it takes what the outbox holds when it is flushed, unless it is blocked,
// and writes down how it was closed. Made and destroyed on the test's thread; its methods go to the shard and back.
class FakeSession : public hub::Transport {
 public:
  struct Options {
    std::string user;  // empty: anonymous
    wire::AppId app = wire::kDefaultApp;
    std::vector<std::string> streams;
    std::map<std::string, std::string> labels;
    std::vector<std::string> roles;
    hub::SessionSettings settings;
    bool admitted = true;  // else it still owes its token
    bool blocked = false;
    bool dies_when_closed = false;  // as a WebSocket does whose socket turns out to be broken
  };

  FakeSession(TestNode& node, ShardIndex shard, Options options);
  ~FakeSession() override;

  SessionId id() const { return id_; }

  // What follows is asked when its shard has delivered and flushed all that was published before.

  // The events of the envelopes that were written, in order; an entry "?" stands for anything that is no envelope.
  std::vector<std::string> Heard();
  // All bytes that were written.
  std::string Written();
  // Nothing while the session was not closed; then the first Close's code.
  std::optional<int> closed();
  std::string reason();
  int closes();
  int flushes();
  size_t waiting_messages();

  void Subscribe(const std::string& stream);
  void Unsubscribe(const std::string& stream);
  void SetBlocked(bool blocked);
  // A blocked session's socket takes so many bytes.
  void WriteSome(size_t bytes);

  // Calls `visit(session)` on the shard's thread.
  template <class Visit>
  auto With(Visit visit) {
    return node_.On(shard_, [&](hub::Shard&) { return visit(*session_); });
  }

  // hub::Transport
  void Flush() override;
  void Withdraw(std::string_view) override {}
  void Prefetch() const override {}
  Peer peer() const override {
    ++asked_for_peer_;
    return {"203.0.113.7", "/ws"};
  }
  // How often somebody wanted to know; on its shard's thread.
  int asked_for_peer() const { return asked_for_peer_; }
  void Close(wire::CloseCode code, std::string_view reason, wire::CloseCode cause) override;

 private:
  void Leave(wire::CloseCode code);

  template <class Look>
  auto Settled(Look look) {
    node_.Settle(shard_);
    return node_.On(shard_, [&](hub::Shard&) { return look(); });
  }

  TestNode& node_;
  const ShardIndex shard_;
  Options options_;
  mutable int asked_for_peer_ = 0;
  SessionId id_;
  std::unique_ptr<hub::Session> session_;
  bool registered_ = false;
  bool blocked_;
  std::string written_;
  std::optional<wire::CloseCode> code_;
  std::string reason_;
  int closes_ = 0;
  int flushes_ = 0;
};

// The payloads of the frames that stand in `bytes`, whatever their kind. What is left over at the end is added as
// "torn".
std::vector<std::string> SplitFrames(std::string_view bytes);

}  // namespace carillon::test
