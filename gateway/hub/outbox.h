#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <vector>

#include "gateway/base/prefetch.h"
#include "gateway/hub/packet.h"

namespace carillon::hub {

// A session's queue of whole frames, from which the socket is written. A plain data structure: it neither writes nor
// judges. Empty, it holds no memory once Shrink was called.
// Thread: the session's shard.
class Outbox {
 public:
  // What is queued after this is dropped: nothing may follow a close frame.
  void Seal() { sealed_ = true; }
  bool sealed() const { return sealed_; }

  bool empty() const { return head_ == packets_.size(); }
  size_t messages() const { return packets_.size() - head_; }
  // Bytes not yet handed to the kernel.
  size_t bytes() const { return bytes_; }
  // Whether the first packet has been written in part.
  bool torn() const { return head_written_ > 0; }

  // How much of that is beyond the bounds: what the session asked for, and markers. How many of the messages may
  // be dropped, are of streams that conflate, and may become too late while they wait.
  size_t beyond_bytes() const { return beyond_bytes_; }
  size_t beyond_messages() const { return beyond_messages_; }
  size_t droppable() const { return droppable_; }
  size_t conflatable() const { return conflatable_; }
  size_t perishable() const { return perishable_; }

  void Push(PacketPtr packet);
  // Several that have `bytes` together.
  void Push(std::span<const PacketPtr> packets, size_t bytes);

  // A pong replaces an older one that is still whole: a peer that pings and does not read gets one answer.
  void PushPong(PacketPtr packet);

  // Takes out everything of which nothing has been written, for the caller to queue again what is to stay.
  std::vector<PacketPtr> TakeUnsent();
  // Queues what was taken out, sealed or not.
  void PutBack(PacketPtr packet);

  // Fills `vectors` with the front of the queue, about as much as a socket takes at once; returns how many it used.
  // Packets that lie end to end in memory share one.
  size_t Gather(std::span<iovec> vectors) const;

  // Copies the front of the queue, end to end; returns how many bytes that were.
  size_t Copy(std::span<char> into) const;

  // Asks the processor for the front of the queue.
  void Prefetch() const { carillon::Prefetch(packets_.data() + head_, 1); }

  // The kernel took the first `written` bytes.
  void Consume(size_t written);

  // Forgets everything but what has been written in part, which must be finished or the peer loses its place.
  void DropUnsent();

  // Forgets everything.
  void Clear();

  // Gives an empty queue's memory back.
  void Shrink();

 private:
  void ForgetWritten();
  void Count(const Packet& packet, size_t one);

  std::vector<PacketPtr> packets_;  // from head_ on; before it, written ones
  size_t head_ = 0;
  size_t head_written_ = 0;
  size_t bytes_ = 0;
  size_t beyond_bytes_ = 0;
  size_t beyond_messages_ = 0;
  size_t droppable_ = 0;
  size_t conflatable_ = 0;
  size_t perishable_ = 0;
  bool sealed_ = false;
};

}  // namespace carillon::hub
