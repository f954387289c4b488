#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstddef>
#include <string>
#include <string_view>

#include "gateway/wire/frame.h"
#include "gateway/wire/ws_frame.h"

namespace carillon::hub {

// Memory in which the packets of one topic lie end to end. Never moves; belongs to one shard, as its packets do.
class PacketRun : public boost::intrusive_ref_counter<PacketRun, boost::thread_unsafe_counter> {
 public:
  explicit PacketRun(size_t capacity) { bytes_.reserve(capacity); }

  size_t capacity() const { return bytes_.capacity(); }
  bool HasRoom(size_t bytes) const { return bytes_.capacity() - bytes_.size() >= bytes; }
  // INVARIANT: there is room.
  std::string_view Append(std::string_view bytes) {
    bytes_.append(bytes);
    return {bytes_.data() + bytes_.size() - bytes.size(), bytes.size()};
  }

 private:
  std::string bytes_;
};

using PacketRunPtr = boost::intrusive_ptr<PacketRun>;

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
  // Bytes that lie in the run, which is kept.
  Packet(PacketRunPtr run, std::string_view bytes) : run_(std::move(run)), bytes_(bytes) {}
  Packet(std::string own, Kind kind) : own_(std::move(own)), bytes_(own_), kind_(kind) {}
  Packet(const Packet&) = delete;
  Packet& operator=(const Packet&) = delete;

  std::string_view bytes() const { return bytes_; }
  Kind kind() const { return kind_; }

 private:
  wire::FramePtr frame_;
  PacketRunPtr run_;
  std::string own_;
  std::string_view bytes_;
  Kind kind_ = Kind::kData;
};

using PacketPtr = boost::intrusive_ptr<const Packet>;

inline PacketPtr MakePacket(std::string bytes, Packet::Kind kind = Packet::Kind::kData) {
  return PacketPtr(new Packet(std::move(bytes), kind));
}

}  // namespace carillon::hub
