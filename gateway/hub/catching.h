#pragma once

#include "gateway/engine/engine.h"
#include "gateway/hub/session.h"

namespace carillon::hub {

// A session's streams that are not simply live: what it still catches up with from logs, and what it has not been told
// of yet. Holds nothing itself: a view of the session. Thread: its shard's.
class Catching {
 public:
  explicit Catching(Session& session) : session_(session) {}

  // The session begins to listen to the topic, with what it asked for.
  void Begin(LocalTopic& topic, SubscribeWish wish, engine::Subscribed subscribed);

  // Its subscription ends.
  void End(const LocalTopic& topic);

  // A message comes that some rule may keep from the session.
  enum class Given : uint8_t { kQueued, kFiltered, kDropped, kReplaying };
  Given Offer(LocalTopic& topic, const Member& member, const engine::Delivery& delivery, const PacketPtr& packet);

  // The session listens already: from here on with this filter.
  void SetFilter(LocalTopic& topic, wire::FilterPtr filter);

  // The message is not given: the client is to be told.
  void Owe(LocalTopic& topic, const wire::Frame& frame, wire::SkipReason reason);
  void Owe(const Packet& packet, wire::SkipReason reason);

  // Queues the marker that must stand before a packet.
  void PayBefore(const Packet& packet);

  // Queues the markers of what is owed, as far as the session has room for them. True where nothing is owed any more.
  bool Pay();

  // The process is short of memory: keeps only the next part of what it is to be given, and asks the log for the rest
  // when it comes to that.
  void Unpin();

  // Queues the next part of what the session catches up with. Called when the part before it is written.
  void Pull();

 private:
  struct Place {
    LocalTopic* topic;
    Member* member;
  };
  Place PlaceOf(const LocalTopic& topic);
  StreamState* Find(const LocalTopic& topic);
  StreamState& FindOrMake(LocalTopic& topic);
  void Pay(StreamState& state);
  void Pay(wire::Skip& owed);
  void GoLive(LocalTopic& topic, StreamState& state, uint64_t sequence);
  void Tidy(const LocalTopic& topic);
  static void Unpin(StreamState& state);
  // Each returns how many messages were looked at.
  size_t PullFrames(LocalTopic& topic, StreamState& state, size_t limit);
  // False where the session is closed.
  bool Refill(LocalTopic& topic, StreamState& state);

  Session& session_;
};

}  // namespace carillon::hub
