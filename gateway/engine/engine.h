#pragma once

#include <cstdint>
#include <optional>

#include "gateway/base/ids.h"
#include "gateway/base/status.h"
#include "gateway/engine/interest.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/topic.h"

// The seam to many nodes. An engine sequences what is published and hands it to the node's door; behind it may stand
// this process alone (memory) or a server that several nodes share. Nothing above knows which.
namespace carillon::engine {

// One message on its way to a shard.
struct Delivery {
  wire::Topic topic;
  wire::FramePtr frame;
  // The order in which this node's engine let it in, among messages of the same topic. A subscription takes only what
  // is newer than itself. Never on the wire.
  uint64_t sequence = 0;
  // For user topics: only those sessions that subscribe to the frame's stream.
  bool stream_subscribers_only = false;
  // What it counts for in the mailbox that it lies in.
  size_t charged_bytes = 0;
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
};

// What became of a message.
struct Published {
  uint32_t sessions = 0;
};

// Where a subscription begins.
struct Subscribed {
  const Interest* interest = nullptr;  // see Door::Join
  uint64_t sequence = 0;               // of the newest message that came before it
};

class Engine {
 public:
  virtual ~Engine() = default;

  // Sequences a message and delivers it. RESOURCE_EXHAUSTED where an interested shard's mailbox is full: nothing was
  // sent. Any thread; messages of one topic are delivered everywhere in the order of these calls.
  virtual StatusOr<Published> Publish(const wire::TopicView& topic, const wire::FramePtr& frame,
                                      bool stream_subscribers_only) = 0;

  // One session of the shard begins to listen: it hears every message published after this call and none from before.
  // The message itself may have to be told apart by its sequence, because older ones may still be in the mailbox.
  virtual Subscribed Subscribe(const wire::TopicView& topic, ShardIndex shard) = 0;

  // The counterpart. A topic that nobody listens to leaves nothing behind.
  virtual void Unsubscribe(const wire::TopicView& topic, ShardIndex shard, bool last_of_shard) = 0;
};

}  // namespace carillon::engine
