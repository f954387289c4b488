#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "gateway/auth/identity.h"
#include "gateway/base/ids.h"
#include "gateway/dialect/dialect.h"
#include "gateway/hub/outbox.h"
#include "gateway/hub/stream_state.h"
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
  uint32_t messages_per_second = 0;  // 0: any number
  std::chrono::milliseconds idle_timeout{0};
};

// What WebSocket (and, later, SSE) connections have in common: the way out of a session.
// Thread: the session's shard.
class Transport {
 public:
  virtual ~Transport() = default;

  // Writes what the outbox holds, as far as the socket takes it now.
  virtual void Flush() = 0;

  // Asks the processor for the memory that Flush will touch.
  virtual void Prefetch() const = 0;

  // Says goodbye and ends the connection soon after; the books say `cause`. Only the first call counts.
  virtual void Close(wire::CloseCode code, std::string_view reason, wire::CloseCode cause) = 0;

  // The client is not to be let into a stream by what it has said so far, where that is still waited for.
  virtual void Withdraw(std::string_view stream) = 0;

  // Where the client is, and the path of the endpoint that it is connected to; for people.
  struct Peer {
    std::string address;
    std::string endpoint;
  };
  virtual Peer peer() const = 0;
};

// One client connection as the hub sees it: who, what they listen to, what waits for them.
// Owned by: its transport. Thread: its shard's.
class Session {
 public:
  using Clock = std::chrono::steady_clock;

  Session(Shard& shard, const SessionSettings& settings, Transport& transport, SessionId id, wire::AppId app,
          auth::IdentityPtr identity);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const SessionId& id() const { return id_; }
  wire::AppId app() const { return app_; }
  // A stream of its app.
  wire::TopicView StreamTopic(std::string_view name) const { return {app_, wire::TopicKind::kStream, name}; }
  const SessionSettings& settings() const { return settings_; }
  const auth::IdentityPtr& identity() const { return identity_; }
  std::chrono::system_clock::time_point connected_at() const { return connected_at_; }
  Shard& shard() { return shard_; }
  const Shard& shard() const { return shard_; }
  Outbox& outbox() { return outbox_; }
  std::vector<Subscription>& subscriptions() { return subscriptions_; }

  // Sessions of the same client that this one carries on.
  const std::vector<SessionId>& resumes() const { return resumes_; }
  void SetResumes(std::vector<SessionId> resumes) { resumes_ = std::move(resumes); }

  // Queues a packet that is to be written at the shard's next flush. Of a session that is too far behind (over its
  // bytes at once, over its messages when that has lasted), what may be dropped is dropped, or else it is closed. False
  // where the packet was not queued.
  bool Offer(const PacketPtr& packet);
  // The same for several, which have `bytes` together.
  void Offer(std::span<const PacketPtr> packets, size_t bytes);

  // When a message was last written that was queued by Offer; long ago: none yet.
  Clock::time_point offered_at() const { return offered_at_; }

  // Queues a packet whatever else waits.
  void OfferBeyond(PacketPtr packet);

  // Of the transport: some of the queue was written; or it goes on being written after it had to wait.
  void OnWritten();
  void OnWritable();

  // Queues an answer to this session alone and writes it now.
  void Send(std::string bytes);
  void Reply(const dialect::Reply& reply);

  void Close(wire::CloseCode code, std::string_view reason) { Close(code, reason, code); }
  // For a goodbye with a code of the backend's choice, which says nothing of its cause.
  void Close(wire::CloseCode code, std::string_view reason, wire::CloseCode cause);

  // The transport is ending by itself: the session leaves its topics and hears nothing more. `for_good`: the client
  // said that it will not be back.
  void BeginClosing(bool for_good = false);
  bool closing() const { return closing_; }

  // True where the session subscribes to a stream of its app.
  bool Listens(const LocalTopic* stream) const;
  bool ListensToStream(std::string_view stream) const;

  // What it wants to hear of a topic; null: everything.
  wire::FilterPtr FilterOf(const wire::TopicView& topic) const;

  // How many streams it subscribes to.
  size_t streams() const;

  // What the filters of its streams hold; one that several share counts once.
  size_t filter_bytes() const;

  void Withdraw(std::string_view stream) { transport_.Withdraw(stream); }

  Transport::Peer peer() const { return transport_.peer(); }

  // How many messages were queued for it, answers included, and how many it has said, since it connected.
  uint64_t queued() const { return queued_; }
  uint64_t said() const { return said_; }
  void CountSaid() { ++said_; }

  // An operator looks at what it is given to read and says; see tap.h.
  bool tapped() const { return tapped_; }
  void SetTapped(bool tapped) { tapped_ = tapped; }

  // How far behind the session is, and what that has cost it.
  struct Lag {
    size_t messages = 0;  // that wait
    size_t bytes = 0;
    std::chrono::milliseconds age{0};  // since when something has waited without a break
    wire::SkipCounts lost;             // of its messages, since it connected
  };
  Lag lag() const;

 private:
  friend class Shard;

  friend class Catching;

  bool MayQueue(const Packet& packet);
  bool Queue(const PacketPtr& packet);
  bool TooFarBehind(size_t arriving);
  bool StillTooFar(size_t arriving);
  bool OverBytes(size_t arriving) const;
  bool OverMessages() const;
  size_t max_bytes() const;
  size_t max_messages() const;
  size_t firm_messages() const;
  size_t firm_bytes() const;
  void MarkDirty();
  bool FlushHelps(size_t arriving);
  bool MakeRoom(const Packet& arriving);
  void Lost(const wire::SkipCounts& counts);
  void Lost(wire::SkipReason reason, uint64_t count = 1);
  std::string SkipBytes(const wire::Skip& skip) const;

  Shard& shard_;
  const SessionSettings& settings_;
  Transport& transport_;
  Outbox outbox_;
  uint64_t queued_ = 0;
  bool dirty_ = false;     // in the shard's list of sessions to flush
  bool admitted_ = false;  // is in its topics
  bool closing_ = false;   // a goodbye is on its way: hears nothing more
  bool tapped_ = false;
  bool gone_for_good_ = false;      // and the client will not be back, or may not
  Clock::time_point over_since_{};  // since when more messages wait than allowed
  bool owing_ = false;              // in the shard's list of sessions that owe markers
  bool pulling_ = false;            // in the shard's list of sessions that can take more of a log
  size_t conflate_at_ = 0;          // so many conflatable messages are worth looking through
  std::vector<Subscription> subscriptions_;
  using States = absl::flat_hash_map<const LocalTopic*, StreamState>;
  std::unique_ptr<States> states_;        // null: none
  std::vector<LocalTopic*> catching_up_;  // of those, the ones that are; in the order in which they do
  struct Losses {
    wire::SkipCounts counts;
    Clock::time_point told_at{};  // to backends
  };
  std::unique_ptr<Losses> lost_;  // null: none
  std::vector<SessionId> resumes_;
  Clock::time_point waiting_since_{};  // the queue has not been empty since; see Lag::age
  Clock::time_point offered_at_{};
  uint64_t said_ = 0;
  const SessionId id_;
  const wire::AppId app_;
  auth::IdentityPtr identity_;
  const std::chrono::system_clock::time_point connected_at_;
};

}  // namespace carillon::hub
