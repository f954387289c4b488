#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/gather.h"
#include "gateway/base/ids.h"
#include "gateway/base/status.h"
#include "gateway/engine/feed.h"
#include "gateway/engine/interest.h"
#include "gateway/engine/presence.h"
#include "gateway/engine/recovery.h"
#include "gateway/engine/request_ids.h"
#include "gateway/engine/stream_rules.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/topic.h"

// The seam to many nodes. An engine sequences what is published and hands it to the node's door; behind it may stand
// this process alone (memory) or a server that several nodes share. Nothing above knows which.
namespace carillon::engine {

// What became of a message in the queues of one shard's sessions.
struct DeliveryCounts {
  uint32_t queued = 0;
  uint32_t filtered = 0;
  uint32_t dropped = 0;
  uint32_t replaying = 0;
};
using DeliveryReport = Gather<DeliveryCounts>;

// One message on its way to a shard.
struct Delivery {
  wire::Topic topic;
  wire::FramePtr frame;
  // The order in which this node's engine let it in, among messages of the same topic. A subscription takes only what
  // is newer than itself. Never on the wire.
  uint64_t sequence = 0;
  // How the topic is treated; lives as long as the engine. Null: as a topic without rules.
  const TopicRule* rule = nullptr;
  // What it counts for in the mailbox that it lies in.
  size_t charged_bytes = 0;
  // Where the shard says what became of it; usually null.
  std::shared_ptr<DeliveryReport> report;
};

// Who listens to a topic on this node.
struct Audience {
  ShardSet shards = 0;
  uint32_t sessions = 0;
};

// Where messages enter the node; implemented by hub::Node. The engine calls it with the topic's sequencing lock held,
// so an implementation must be quick and must not call back. Lock order: the engine's stripe, then these.
class Door {
 public:
  virtual ~Door() = default;

  virtual Audience Find(const wire::TopicView& topic) const = 0;

  // Whether each of the shards can take this message too. Looked at before a message gets its place in the order, so
  // that a refused message leaves no hole.
  virtual bool HasRoom(ShardSet shards, const wire::Frame& frame) const = 0;

  // Puts the message into the shards' mailboxes; returns those that must be woken once the lock is released.
  virtual ShardSet Deliver(ShardSet shards, const Delivery& delivery) = 0;

  // One session more or less of a shard listens. What Join returns lives until the shard's last session has left; the
  // shard may read its topic, which never changes, and nothing else.
  virtual const Interest* Join(const wire::TopicView& topic, ShardIndex shard) = 0;
  virtual void Leave(const wire::TopicView& topic, ShardIndex shard, bool last_of_shard) = 0;

  // Called without any lock.
  virtual void Wake(ShardSet shards) = 0;

  // The app's feed has something new. Called with locks held, perhaps of presence and of a topic as well: must only
  // leave word for another thread.
  virtual void Announce(wire::AppId app) = 0;
};

// A message to be published, and how.
struct Publication {
  wire::TopicView topic;
  wire::FramePtr frame;                      // taken where it is published, and only then
  std::string_view request_id;               // empty: none
  uint64_t fingerprint = 0;                  // of what the message says, where there is a request_id
  bool skip_history = false;                 // the log does not keep it
  const wire::Position* expected = nullptr;  // publish only where the log stands here
  std::shared_ptr<DeliveryReport> report;    // hears from each of Published::shards
};

struct Published : PublishOutcome {  // message_id is given for duplicates only
  bool duplicate = false;            // the request_id was used before: nothing was sent now
  ShardSet shards = 0;               // that it was sent to
};

// Where a subscription begins.
struct Subscribed {
  const Interest* interest = nullptr;  // see Door::Join
  uint64_t sequence = 0;               // of the newest message that came before it
  uint32_t sessions = 0;               // that listen, with this one
  const TopicRule* rule = nullptr;     // lives as long as the engine
  wire::Position top;                  // of the log's newest message; no epoch: there is no log
  Replay replay;
};

// The next part of a log for a subscriber that is catching up.
struct CaughtUp {
  std::vector<wire::FramePtr> frames;  // empty: it has caught up, and what is newer than `sequence` is for it
  uint64_t sequence = 0;
  wire::Position at;       // where the subscriber stands before `frames`
  uint64_t lost = 0;       // messages before that which were trimmed or cleared before it got them
  uint64_t conflated = 0;  // for which, in a log of mode latest, the newest stands
  bool broken = false;     // the log is another: nobody knows what is missing
};

// A part of a log, for a backend.
struct Page {
  std::vector<wire::FramePtr> frames;
  wire::Position top;
  bool more = false;
};

struct Cleared {
  uint64_t messages = 0;
  wire::Position top;
};

class Engine {
 public:
  virtual ~Engine() = default;

  // Sequences a message, keeps it where the topic has a log, and delivers it. Nothing was done where it fails:
  // RESOURCE_EXHAUSTED: an interested shard's mailbox is full. ALREADY_EXISTS: the request_id was used for another
  // message. ABORTED: the log does not stand at `expected`. FAILED_PRECONDITION: there is an `expected`, and no log.
  // Any thread; messages of one topic are delivered everywhere in the order of these calls.
  virtual StatusOr<Published> Publish(Publication& publication) = 0;
  StatusOr<Published> Publish(const wire::TopicView& topic, wire::FramePtr frame) {
    Publication publication{topic, std::move(frame)};
    return Publish(publication);
  }

  // One session of the shard begins to listen: it hears every message published after this call, and of those before it
  // what it asks for. The message itself may have to be told apart by its sequence, because older ones may still be in
  // the mailbox.
  virtual Subscribed Subscribe(const wire::TopicView& topic, ShardIndex shard, const Since& since = {}) = 0;

  // The counterpart. A topic that nobody listens to leaves nothing behind but its log.
  virtual void Unsubscribe(const wire::TopicView& topic, ShardIndex shard, bool last_of_shard) = 0;

  // What a subscriber that has come as far as `at` needs next, at most `limit` messages.
  virtual CaughtUp CatchUp(const wire::TopicView& topic, const wire::Position& at, size_t limit) = 0;

  // The log's messages after a position, or from the oldest on; at most `limit`, and not much more than `bytes`.
  // FAILED_PRECONDITION: there is no log. ABORTED: it has not got everything after that position.
  virtual StatusOr<Page> List(const wire::TopicView& topic, const wire::Position* after, size_t limit,
                              size_t bytes) = 0;

  // Forgets the log's messages, under a new epoch. FAILED_PRECONDITION: there is no log.
  virtual StatusOr<Cleared> Clear(const wire::TopicView& topic) = 0;

  // How a topic is treated now; lives as long as the process.
  virtual const TopicRule& RuleOf(const wire::TopicView& topic) = 0;

  // True for streams of which it is known who is there.
  bool KeepsPresence(const wire::TopicView& topic) { return RuleOf(topic).KeepsPresence(topic); }

  virtual Presence& presence() = 0;

  virtual Feed& feed() = 0;
};

}  // namespace carillon::engine
