#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "gateway/base/token_bucket.h"
#include "gateway/wire/close_code.h"

namespace carillon::edge {

// Reads along with the bytes that a client sends, frame header by frame header, and counts what Beast 1.81 does not:
// fragments of a message (it swallows empty ones without end), control frames a second, close codes that nobody may
// send (it echoes 5000 and up), and close reasons that are not UTF-8 (it calls them protocol errors; RFC 6455
// section 8.1 wants 1007). It judges nothing else: malformed frames are Beast's business. Thread: the session's shard.
class FrameMeter {
 public:
  static constexpr uint32_t kMaxFragments = 1024;          // a message; a bomb of empty frames costs only CPU, ours
  static constexpr float kControlFramesPerSecond = 20.0F;  // answering pings must stay cheaper than sending them

  // What is wrong with the stream so far; nothing while it is in order. After a verdict the meter is done.
  std::optional<wire::CloseCode> Feed(std::span<const uint8_t> bytes, std::chrono::steady_clock::time_point now);

 private:
  std::optional<wire::CloseCode> OnHeader(std::chrono::steady_clock::time_point now);
  std::optional<wire::CloseCode> OnClosePayload() const;

  uint8_t header_[14];  // at most 2 + 8 + 4 bytes
  uint8_t header_have_ = 0;
  uint8_t header_need_ = 2;
  uint8_t header_mask_at_ = 2;  // where the mask stands in header_
  bool in_close_ = false;
  bool in_payload_ = false;
  uint32_t fragments_ = 0;
  uint64_t payload_left_ = 0;
  std::string close_;  // the close frame's payload so far, unmasked
  TokenBucket control_{kControlFramesPerSecond, std::chrono::seconds(1)};
};

}  // namespace carillon::edge
