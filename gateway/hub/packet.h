#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "gateway/engine/stream_rules.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/skip.h"
#include "gateway/wire/topic.h"
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

// What packets belong to that may go before they are written.
struct PacketTag : boost::intrusive_ref_counter<PacketTag, boost::thread_unsafe_counter> {
  PacketTag(wire::Topic topic, engine::SlowPolicy slow) : topic(std::move(topic)), slow(slow) {}

  const wire::Topic topic;
  const engine::SlowPolicy slow;
};

using PacketTagPtr = boost::intrusive_ptr<const PacketTag>;

// Bytes that wait to be written: one encoding of a published frame, shared by every session of the shard that it goes
// to, or bytes made for one session. Whole WebSocket frames, never cut. Its counter is plain, because a packet never
// leaves its shard: one atomic count a message a shard, not one a session.
class Packet : public boost::intrusive_ref_counter<Packet, boost::thread_unsafe_counter> {
 public:
  enum class Kind : uint8_t {
    kData,
    kReplay,    // data that a session asked for as fast as it reads: outside its outbox's bounds
    kSkip,      // says what of a stream's messages does not come
    kPong,      // only the newest unsent one is kept
    kProtocol,  // what Beast wrote, or a ping
  };

  // Borrows the frame's encoding and keeps the frame.
  Packet(wire::FramePtr frame, std::string_view bytes, Kind kind = Kind::kData)
      : frame_(std::move(frame)), bytes_(bytes), kind_(kind) {}
  // Bytes that lie in the run, which is kept.
  Packet(PacketRunPtr run, std::string_view bytes) : run_(std::move(run)), bytes_(bytes) {}
  // One that may go before it is written: by the tag's policy, or because it is too late. Where the bytes lie in a run,
  // that is kept too.
  Packet(PacketTagPtr tag, wire::FramePtr frame, PacketRunPtr run, std::string_view bytes)
      : frame_(std::move(frame)), run_(std::move(run)), tag_(std::move(tag)), bytes_(bytes) {}
  Packet(std::string own, Kind kind) : own_(std::move(own)), bytes_(own_), kind_(kind) {}
  Packet(std::string own, wire::Skip skip)
      : own_(std::move(own)),
        skip_(std::make_unique<const wire::Skip>(std::move(skip))),
        bytes_(own_),
        kind_(Kind::kSkip) {}
  Packet(const Packet&) = delete;
  Packet& operator=(const Packet&) = delete;

  std::string_view bytes() const { return bytes_; }
  Kind kind() const { return kind_; }

  // Null where nothing but the bytes matters.
  const PacketTag* tag() const { return tag_.get(); }
  // Of a packet of kind kData with a tag.
  const wire::Frame& frame() const { return *frame_; }
  // Of a packet of kind kSkip.
  const wire::Skip& skip() const { return *skip_; }

  bool conflatable() const { return kind_ == Kind::kData && tag_ && tag_->slow == engine::SlowPolicy::kConflate; }
  bool droppable() const { return kind_ == Kind::kData && tag_ && tag_->slow != engine::SlowPolicy::kDisconnect; }
  bool perishable() const { return kind_ == Kind::kData && tag_ && frame_->perishable(); }

 private:
  wire::FramePtr frame_;
  PacketRunPtr run_;
  std::string own_;
  PacketTagPtr tag_;
  std::unique_ptr<const wire::Skip> skip_;
  std::string_view bytes_;
  Kind kind_ = Kind::kData;
};

using PacketPtr = boost::intrusive_ptr<const Packet>;

inline PacketPtr MakePacket(std::string bytes, Packet::Kind kind = Packet::Kind::kData) {
  return PacketPtr(new Packet(std::move(bytes), kind));
}

}  // namespace carillon::hub
