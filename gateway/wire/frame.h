#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "carillon/v1/envelope.pb.h"
#include "gateway/wire/position.h"
#include "gateway/wire/terms.h"

namespace carillon::wire {

// The encodings that a frame may be asked for: one for each dialect and transport whose bytes are the same for every
// session.
enum class Encoding : uint8_t {
  kNativeJson,  // whole WebSocket text frames in the native dialect
};
inline constexpr size_t kEncodings = 1;

// One published message with its encodings. Once it is published it never changes; an encoding is made by the first
// shard that needs it and shared by all. Any thread.
class Frame : public boost::intrusive_ref_counter<Frame, boost::thread_safe_counter> {
 public:
  using Encode = void (*)(const v1::Envelope& envelope, std::string& out);

  explicit Frame(v1::Envelope envelope, std::shared_ptr<const Terms> terms = nullptr);
  ~Frame();
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  // The frame at its place in a log; `log` as Envelope.log. The same one where nobody else has it yet, else a copy.
  // INVARIANT: no encoding was asked for yet.
  static boost::intrusive_ptr<const Frame> At(boost::intrusive_ptr<const Frame> frame, const Position& position,
                                              std::string_view log);

  const v1::Envelope& envelope() const { return envelope_; }

  // Null where the publisher asked for nothing.
  const Terms* terms() const { return terms_.get(); }

  // True where no log keeps it.
  bool unlogged() const { return !envelope_.has_position(); }
  uint64_t offset() const { return envelope_.position().offset(); }
  Position position() const { return {envelope_.position().epoch(), offset()}; }

  // When it was accepted.
  WallClock::time_point time() const;

  // True where the log may no longer give it; true where it may not be delivered any more.
  bool expired(WallClock::time_point now) const { return terms_ != nullptr && terms_->expires <= now; }
  bool stale(WallClock::time_point now) const { return terms_ != nullptr && terms_->deliver_by <= now; }
  bool perishable() const { return terms_ != nullptr && terms_->deliver_by != WallClock::time_point::max(); }

  // Messages of the same key replace one another where a stream conflates.
  std::string_view conflation_key() const {
    return terms_ == nullptr || terms_->conflation_key.empty() ? envelope_.event() : terms_->conflation_key;
  }

  // About how much memory the message holds, for mailboxes.
  size_t bytes() const { return bytes_; }

  // About how much it holds while a log keeps it, with an encoding.
  size_t logged_bytes() const;

  // The bytes of an encoding; they live as long as the frame. Two shards that ask at once may both encode: one result
  // wins, the other is dropped.
  std::string_view Encoded(Encoding encoding, Encode encode) const;

 private:
  v1::Envelope envelope_;  // changed by At only, before anybody else has the frame
  const std::shared_ptr<const Terms> terms_;
  const size_t bytes_;
  mutable std::array<std::atomic<const std::string*>, kEncodings> slots_{};
};

using FramePtr = boost::intrusive_ptr<const Frame>;

}  // namespace carillon::wire
