#pragma once

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "gateway/base/check.h"
#include "gateway/base/ids.h"
#include "gateway/base/metrics.h"
#include "gateway/engine/engine.h"
#include "gateway/hub/mailbox.h"
#include "gateway/hub/packet_maker.h"
#include "gateway/hub/session.h"
#include "gateway/hub/timer_wheel.h"
#include "gateway/hub/topic_index.h"

namespace carillon::hub {

class Farewell;
class Tap;

// What a shard counts. Written by the shard, read by anyone.
struct ShardStats {
  OwnCounter sessions;  // open now
  OwnCounter opened;
  OwnCounter messages;  // deliveries taken from the mailbox
  OwnCounter queued;    // frames put into outboxes
  OwnCounter sends;     // send and sendmsg calls
  OwnCounter sent_bytes;
  OwnCounter slow_consumers;
  OwnCounter commands;  // messages from clients
  OwnCounter bad_messages;
  OwnCounter published;                             // messages that clients published
  OwnCounter client_events;                         // what clients said to backends
  OwnCounter rate_limited;                          // messages from clients that came too fast
  OwnCounter replayed;                              // messages of logs that were queued
  std::array<OwnCounter, wire::kSkipReasons> lost;  // messages that left queues unwritten, or never got there
  std::array<OwnCounter, 6> recoveries;             // by engine::Recovery
  OwnCounter revoked;                               // the same, where the stream may not be subscribed any more
  std::array<OwnCounter, 32> closed;                // by the row of wire::CloseTable
};

// One thread, one event loop, and everything on it: its sessions, who of them listens to what, their timers. Nothing
// here is locked, because nobody else may touch it.
// Owned by: Node. Thread: its own, but for what says otherwise.
class Shard {
 public:
  using Clock = std::chrono::steady_clock;

  Shard(ShardIndex index, size_t mailbox_messages, size_t mailbox_bytes);
  ~Shard();

  // The engine must outlive the thread. Called once, by the thread that owns the node.
  void Start(engine::Engine& engine);
  void Stop();  // after it no handler runs; what waits is dropped

  // Any thread.
  ShardIndex index() const { return index_; }
  boost::asio::io_context& io() { return io_; }
  Mailbox& mailbox() { return mailbox_; }
  const Mailbox& mailbox() const { return mailbox_; }
  ShardStats& stats() { return stats_; }
  void Wake();  // after a Push that asked for it

  // The time of this turn, good to a tick. It stands still while the whole process does (a paused container, a
  // suspended machine): what clients said meanwhile is still unread, and must not count as silence.
  Clock::time_point now() const { return now_; }
  TimerWheel& wheel() { return wheel_; }

  // A session begins and ends. Between, once it is admitted (which may have to wait for its token), it hears what is
  // for it, for its user and for everyone.
  SessionId NewSessionId() const;
  void Register(Session& session);
  // `inbox`: what it wants of its user's log.
  SubscribeAnswer Admit(Session& session, const engine::Since& inbox = {});
  void Unregister(Session& session, wire::CloseCode code);

  // Idempotent, but where something of the log is asked for: then the session begins anew. One that is being closed
  // joins nothing.
  SubscribeAnswer Subscribe(Session& session, const wire::TopicView& topic, SubscribeWish wish = {});
  // The rules of streams are others: who has been in a stream that now keeps presence is known from here on.
  void EnterAll();

  // Idempotent; false where the session did not listen.
  bool Unsubscribe(Session& session, const wire::TopicView& topic);

  // What sends sessions home; see there.
  std::vector<std::unique_ptr<Farewell>>& farewells() { return farewells_; }

  // What operators look at; see tap.h.
  std::vector<std::shared_ptr<Tap>>& taps() { return taps_; }
  const std::vector<std::shared_ptr<Tap>>& taps() const { return taps_; }

  // The process is short of memory: outboxes have a quarter of their bounds, and replays hold little.
  void SetSqueezed(bool squeezed);
  bool squeezed() const { return squeezed_; }

  // The session is closing: it leaves its topics at the end of this turn, so that nobody counts it any more.
  void Retire(Session& session);
  // Those that are closing leave now. Not while somebody walks a topic's members: between deliveries, or in a task.
  void SettleRetired();

  // A token came after the session had begun: the session is its user's from here on, and admitted if it was not.
  // Where it was its user's already, it goes on with what the new token says.
  SubscribeAnswer Identify(Session& session, auth::IdentityPtr identity, const engine::Since& inbox = {});

  // The session can take more of what it catches up with: in one of the next turns.
  void PullSoon(Session& session);

  Session* FindSession(const SessionId& id);
  LocalTopic* FindTopic(const wire::TopicView& topic) { return index_of_topics_.Find(topic); }
  engine::Engine& engine() { return *engine_; }

  // Every registered session, in no order.
  template <class Visit>
  void ForEachSession(Visit&& visit) {
    for (auto& [key, session] : sessions_) visit(*session);
  }

 private:
  friend class Session;
  friend class Catching;

  // A turn takes at most this many messages, queues at most about this many frames, and flushes at most this many
  // sessions; then reads, accepts and timers get their chance.
  static constexpr size_t kMessagesPerTurn = 128;
  static constexpr size_t kFramesPerTurn = 128 << 10;
  static constexpr size_t kFlushesPerTurn = 512;
  static constexpr size_t kFetchAhead = 4;  // sessions
  static constexpr size_t kPullsPerTurn = 64;

  // Of one session, in so many streams its user is waited for: nothing else bounds what graces hold.
  static constexpr size_t kMostGraces = 100;

  // How long a marker may wait for a message that it can go before.
  static constexpr std::chrono::seconds kMarkerDelay{1};

  void WakeIfAsleep();
  void UpdateNow();
  void Turn();
  void TakeMail();
  void TakeDeliveries(size_t end, uint64_t frames);
  void Deliver();
  void TapDeliveries();
  void OfferOneByOne(LocalTopic& topic, const Member& member, std::span<const PacketPtr> packets,
                     engine::DeliveryCounts* counts);
  void Pull();
  void PayMarkers();
  SubscribeAnswer SubscribeToUser(Session& session, const engine::Since& inbox);
  void Tick();
  bool FlushDirty();
  void LeaveTopics(Session& session);
  bool Drop(Session& session, const wire::TopicView& topic);
  void Enter(Session& session, const wire::TopicView& stream, const engine::TopicRule& rule);
  void EnterAll(Session& session);

  const ShardIndex index_;
  engine::Engine* engine_ = nullptr;
  Mailbox mailbox_;
  ShardStats stats_;
  Clock::time_point looked_at_ = Clock::now();
  Clock::duration stood_still_{};
  Clock::time_point now_ = looked_at_;
  TimerWheel wheel_{now_};

  std::vector<Mail> batch_;  // taken from the mailbox
  size_t batch_at_ = 0;      // the next one to handle
  // Of the messages that are being delivered: empty between them, kept for their memory.
  std::vector<engine::Delivery> deliveries_;
  std::array<std::vector<PacketPtr>, wire::kEncodings> packets_;
  PacketMaker packet_maker_;
  std::vector<Session*> dirty_;  // sessions to flush; null: gone meanwhile
  size_t dirty_at_ = 0;
  std::vector<Session*> pulling_;  // null: gone meanwhile; these two as well
  std::vector<Session*> owing_;
  Clock::time_point markers_at_ = looked_at_;
  std::vector<Session*> retired_;
  bool in_turn_ = false;
  bool squeezed_ = false;
  std::vector<std::unique_ptr<Farewell>> farewells_;
  std::vector<std::shared_ptr<Tap>> taps_;

  absl::flat_hash_map<uint64_t, Session*> sessions_;
  TopicIndex index_of_topics_;
  HomeThread home_;

  // Behind all that sessions refer to: what still waits in the loop owns them, and goes with it.
  boost::asio::io_context io_{1};
  boost::asio::steady_timer tick_{io_};
  std::thread thread_;
};

}  // namespace carillon::hub
