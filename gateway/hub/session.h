#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/auth/identity.h"
#include "gateway/base/ids.h"
#include "gateway/dialect/dialect.h"
#include "gateway/hub/outbox.h"
#include "gateway/hub/topic_index.h"
#include "gateway/wire/close_code.h"

namespace carillon::hub {

class Shard;

// How sessions of an endpoint are treated; immutable and outliving them. From config.proto's Endpoint, which says what
// each one means.
struct SessionSettings {
  const dialect::Dialect* dialect = nullptr;
  std::chrono::milliseconds ping_interval{54'000};
  std::chrono::milliseconds peer_timeout{60'000};
  std::chrono::milliseconds auth_timeout{0};
  std::chrono::milliseconds write_deadline{10'000};
  std::chrono::milliseconds outbox_patience{1'000};
  size_t max_message_bytes = 64 << 10;
  size_t outbox_bytes = 1 << 20;
  uint32_t outbox_messages = 256;
  uint32_t max_subscriptions = 1000;
};

// What WebSocket (and, later, SSE) connections have in common: the way out of a session.
// Thread: the session's shard.
class Transport {
 public:
  virtual ~Transport() = default;

  // Writes what the outbox holds, as far as the socket takes it now.
  virtual void Flush() = 0;

  // Says goodbye and ends the connection soon after; the books say `cause`. Only the first call counts.
  virtual void Close(wire::CloseCode code, std::string_view reason, wire::CloseCode cause) = 0;
};

// One client connection as the hub sees it: who, what they listen to, what waits for them.
// Owned by: its transport. Thread: its shard's.
class Session {
 public:
  using Clock = std::chrono::steady_clock;

  Session(Shard& shard, const SessionSettings& settings, Transport& transport, SessionId id,
          auth::IdentityPtr identity);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const SessionId& id() const { return id_; }
  const SessionSettings& settings() const { return settings_; }
  const auth::IdentityPtr& identity() const { return identity_; }
  std::chrono::system_clock::time_point connected_at() const { return connected_at_; }
  Shard& shard() { return shard_; }
  Outbox& outbox() { return outbox_; }
  std::vector<Subscription>& subscriptions() { return subscriptions_; }

  // Queues a packet that is to be written at the shard's next flush. A session that is too far behind is closed
  // instead: over its bytes at once, over its messages when that has lasted.
  void Offer(const PacketPtr& packet);
  // The same for several, which have `bytes` together.
  void Offer(std::span<const PacketPtr> packets, size_t bytes);

  // Queues an answer to this session alone and writes it now.
  void Send(std::string bytes);
  void Reply(const dialect::Reply& reply);

  void Close(wire::CloseCode code, std::string_view reason) { Close(code, reason, code); }
  // For a goodbye with a code of the backend's choice, which says nothing of its cause.
  void Close(wire::CloseCode code, std::string_view reason, wire::CloseCode cause);

  // The transport is ending by itself: the session leaves its topics and hears nothing more.
  void BeginClosing();
  bool closing() const { return closing_; }

  // True where the session subscribes to a stream of its app.
  bool Listens(const LocalTopic* stream) const;

 private:
  friend class Shard;

  // False where the session is closed, or is now, because it is too far behind.
  bool Queue(const PacketPtr& packet);
  bool TooFarBehind(size_t arriving);
  void MarkDirty();
  bool FlushHelps(size_t arriving);

  Shard& shard_;
  const SessionSettings& settings_;
  Transport& transport_;
  Outbox outbox_;
  bool dirty_ = false;              // in the shard's list of sessions to flush
  bool admitted_ = false;           // is in its topics
  bool closing_ = false;            // a goodbye is on its way: hears nothing more
  Clock::time_point over_since_{};  // since when more messages wait than allowed
  std::vector<Subscription> subscriptions_;
  const SessionId id_;
  auth::IdentityPtr identity_;
  const std::chrono::system_clock::time_point connected_at_;
};

}  // namespace carillon::hub
