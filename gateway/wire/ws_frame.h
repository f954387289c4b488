#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/wire/close_code.h"

// WebSocket frames as a server writes them: whole, unmasked, uncompressed (RFC 6455 section 5).
namespace carillon::wire {

enum class Opcode : uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xA,
};

// Appends one final frame.
void AppendFrame(std::string& out, Opcode opcode, std::string_view payload);

// A close frame; the reason is cut to the 123 bytes that a control frame has room for, at a UTF-8 boundary.
std::string CloseFrame(CloseCode code, std::string_view reason);

// The opcode of an encoded frame's first byte.
inline Opcode OpcodeOf(uint8_t first_byte) {
  return static_cast<Opcode>(first_byte & 0x0F);
}

}  // namespace carillon::wire
