#include "gateway/wire/ws_frame.h"

namespace carillon::wire {
namespace {

constexpr size_t kMaxControlPayload = 125;

}  // namespace

void AppendFrame(std::string& out, Opcode opcode, std::string_view payload) {
  uint64_t size = payload.size();
  out.reserve(out.size() + size + 10);
  out.push_back(static_cast<char>(0x80 | static_cast<uint8_t>(opcode)));
  int extended = size < 126 ? 0 : size <= 0xFFFF ? 2 : 8;
  out.push_back(static_cast<char>(extended == 0 ? size : extended == 2 ? 126 : 127));
  for (int shift = (extended - 1) * 8; shift >= 0 && extended > 0; shift -= 8) {
    out.push_back(static_cast<char>(size >> shift));
  }
  out.append(payload);
}

std::string CloseFrame(CloseCode code, std::string_view reason) {
  std::string payload;
  auto number = static_cast<uint16_t>(code);
  payload.push_back(static_cast<char>(number >> 8));
  payload.push_back(static_cast<char>(number & 0xFF));
  if (reason.size() > kMaxControlPayload - 2) {
    size_t end = kMaxControlPayload - 2;
    while (end > 0 && (static_cast<uint8_t>(reason[end]) & 0xC0) == 0x80) --end;
    reason = reason.substr(0, end);
  }
  payload.append(reason);
  std::string frame;
  AppendFrame(frame, Opcode::kClose, payload);
  return frame;
}

}  // namespace carillon::wire
