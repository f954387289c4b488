#include "gateway/edge/frame_meter.h"

#include <algorithm>

#include "gateway/wire/ws_frame.h"

namespace carillon::edge {

std::optional<wire::CloseCode> FrameMeter::Feed(std::span<const uint8_t> bytes,
                                                std::chrono::steady_clock::time_point now) {
  while (!bytes.empty()) {
    if (in_payload_) {
      if (in_close_ && close_bytes_ < 2) {
        if (auto verdict = OnCloseByte(bytes[0])) return verdict;
        bytes = bytes.subspan(1);
        --payload_left_;
      } else {
        size_t skip = static_cast<size_t>(std::min<uint64_t>(payload_left_, bytes.size()));
        bytes = bytes.subspan(skip);
        payload_left_ -= skip;
      }
      in_payload_ = payload_left_ > 0;
      continue;
    }
    header_[header_have_++] = bytes[0];
    bytes = bytes.subspan(1);
    if (header_have_ == 2) {
      uint8_t length = header_[1] & 0x7F;
      header_mask_at_ = static_cast<uint8_t>(2 + (length == 126 ? 2 : length == 127 ? 8 : 0));
      header_need_ = static_cast<uint8_t>(header_mask_at_ + ((header_[1] & 0x80) != 0 ? 4 : 0));
    }
    if (header_have_ < header_need_) continue;
    if (auto verdict = OnHeader(now)) return verdict;
    header_have_ = 0;
    header_need_ = 2;
  }
  return std::nullopt;
}

std::optional<wire::CloseCode> FrameMeter::OnHeader(std::chrono::steady_clock::time_point now) {
  uint8_t length = header_[1] & 0x7F;
  uint64_t payload = length;
  if (length >= 126) {
    payload = 0;
    for (int i = 2; i < (length == 126 ? 4 : 10); ++i) payload = payload << 8 | header_[i];
  }
  payload_left_ = payload;
  in_payload_ = payload > 0;
  wire::Opcode opcode = wire::OpcodeOf(header_[0]);
  bool control = (header_[0] & 0x08) != 0;
  in_close_ = opcode == wire::Opcode::kClose;
  close_bytes_ = 0;
  close_code_ = 0;
  if (control) {
    return control_.Take(now) ? std::nullopt : std::optional(wire::CloseCode::kPolicy);
  }
  fragments_ = opcode == wire::Opcode::kContinuation ? fragments_ + 1 : 1;
  return fragments_ > kMaxFragments ? std::optional(wire::CloseCode::kPolicy) : std::nullopt;
}

std::optional<wire::CloseCode> FrameMeter::OnCloseByte(uint8_t byte) {
  bool masked = (header_[1] & 0x80) != 0;
  // header_ still holds the mask: it is overwritten only by the next header.
  uint8_t mask = masked ? header_[header_mask_at_ + close_bytes_] : 0;
  close_code_ = static_cast<uint16_t>(close_code_ << 8 | (byte ^ mask));
  if (++close_bytes_ < 2 || wire::IsReceivableCode(close_code_)) return std::nullopt;
  return wire::CloseCode::kProtocolError;
}

}  // namespace carillon::edge
