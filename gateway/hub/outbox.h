#pragma once

#include <sys/uio.h>

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/wire/frame.h"
#include "gateway/wire/ws_frame.h"

namespace carillon::hub {

// Bytes that wait to be written: one encoding of a published frame, shared by every session of the shard that it goes
// to, or bytes made for one session. Whole WebSocket frames, never cut. Its counter is plain, because a packet never
// leaves its shard: one atomic count a message a shard, not one a session.
class Packet : public boost::intrusive_ref_counter<Packet, boost::thread_unsafe_counter> {
 public:
  enum class Kind : uint8_t {
    kData,
    kPong,      // only the newest unsent one is kept
    kProtocol,  // what Beast wrote, or a ping
  };

  // Borrows the frame's encoding and keeps the frame.
  Packet(wire::FramePtr frame, std::string_view bytes) : frame_(std::move(frame)), bytes_(bytes) {}
  Packet(std::string own, Kind kind) : own_(std::move(own)), bytes_(own_), kind_(kind) {}
  Packet(const Packet&) = delete;
  Packet& operator=(const Packet&) = delete;

  std::string_view bytes() const { return bytes_; }
  Kind kind() const { return kind_; }

 private:
  wire::FramePtr frame_;
  std::string own_;
  std::string_view bytes_;
  Kind kind_ = Kind::kData;
};

using PacketPtr = boost::intrusive_ptr<const Packet>;

inline PacketPtr MakePacket(std::string bytes, Packet::Kind kind = Packet::Kind::kData) {
  return PacketPtr(new Packet(std::move(bytes), kind));
}

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

  void Push(PacketPtr packet);

  // A pong replaces an older one that is still whole: a peer that pings and does not read gets one answer.
  void PushPong(PacketPtr packet);

  // Fills `vectors` with the front of the queue; returns how many it used.
  size_t Gather(std::span<iovec> vectors) const;

  // The kernel took the first `written` bytes.
  void Consume(size_t written);

  // Forgets everything but what has been written in part, which must be finished or the peer loses its place.
  void DropUnsent();

  // Forgets everything.
  void Clear();

  // Gives an empty queue's memory back.
  void Shrink();

 private:
  std::vector<PacketPtr> packets_;  // from head_ on; before it, written ones
  size_t head_ = 0;
  size_t head_written_ = 0;
  size_t bytes_ = 0;
  bool sealed_ = false;
};

}  // namespace carillon::hub
