#include "gateway/edge/frame_meter.h"

#include <algorithm>

#include "gateway/base/utf8.h"
#include "gateway/wire/ws_frame.h"

namespace carillon::edge {

std::optional<wire::CloseCode> FrameMeter::Feed(std::span<const uint8_t> bytes,
                                                std::chrono::steady_clock::time_point now) {
  while (!bytes.empty()) {
    if (in_payload_) {
      size_t here = static_cast<size_t>(std::min<uint64_t>(payload_left_, bytes.size()));
      if (in_close_) {
        const uint8_t* mask = header_ + header_mask_at_;  // whole until the next header comes
        bool masked = (header_[1] & 0x80) != 0;
        for (uint8_t byte : bytes.first(here))
          close_.push_back(static_cast<char>(masked ? byte ^ mask[close_.size() % 4] : byte));
      }
      bytes = bytes.subspan(here);
      payload_left_ -= here;
      if (in_close_ && payload_left_ == 0) {
        if (auto verdict = OnClosePayload()) return verdict;
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
  in_close_ = opcode == wire::Opcode::kClose && length < 126;  // a longer one is Beast's to refuse
  close_.clear();
  if (control) {
    return control_.Take(now) ? std::nullopt : std::optional(wire::CloseCode::kPolicy);
  }
  fragments_ = opcode == wire::Opcode::kContinuation ? fragments_ + 1 : 1;
  return fragments_ > kMaxFragments ? std::optional(wire::CloseCode::kPolicy) : std::nullopt;
}

std::optional<wire::CloseCode> FrameMeter::OnClosePayload() const {
  if (close_.size() < 2) return std::nullopt;
  auto byte = [this](size_t i) { return static_cast<uint8_t>(close_[i]); };
  if (!wire::IsReceivableCode(static_cast<uint16_t>(byte(0) << 8 | byte(1)))) return wire::CloseCode::kProtocolError;
  if (!IsUtf8(std::string_view(close_).substr(2))) return wire::CloseCode::kInvalidText;
  return std::nullopt;
}

}  // namespace carillon::edge
