#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "carillon/v1/envelope.pb.h"

namespace carillon::wire {

// The encodings that a frame may be asked for: one for each dialect and transport whose bytes are the same for every
// session.
enum class Encoding : uint8_t {
  kNativeJson,  // whole WebSocket text frames in the native dialect
};
inline constexpr size_t kEncodings = 1;

// One published message with its encodings. The envelope never changes; an encoding is made by the first shard that
// needs it and shared by all. Any thread.
class Frame : public boost::intrusive_ref_counter<Frame, boost::thread_safe_counter> {
 public:
  using Encode = void (*)(const v1::Envelope& envelope, std::string& out);

  explicit Frame(v1::Envelope envelope);
  ~Frame();
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  const v1::Envelope& envelope() const { return envelope_; }

  // About how much memory the message holds, for mailboxes.
  size_t bytes() const { return bytes_; }

  // The bytes of an encoding; they live as long as the frame. Two shards that ask at once may both encode: one result
  // wins, the other is dropped.
  std::string_view Encoded(Encoding encoding, Encode encode) const;

 private:
  const v1::Envelope envelope_;
  const size_t bytes_;
  mutable std::array<std::atomic<const std::string*>, kEncodings> slots_{};
};

using FramePtr = boost::intrusive_ptr<const Frame>;

}  // namespace carillon::wire
