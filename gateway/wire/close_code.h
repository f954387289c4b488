#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

// Why a session ends. One closed table: the code, the reason that clients read, and by its range what to do next:
// 4000-4099 do not come back, 4100-4199 back off first, 4200-4299 come back now (with jitter).
namespace carillon::wire {

enum class CloseCode : uint16_t {
  // RFC 6455 section 7.4.1, where one fits.
  kNormal = 1000,
  kGoingAway = 1001,  // never sent: a page was left
  kProtocolError = 1002,
  kUnsupportedData = 1003,
  kNoStatus = 1005,  // never sent: the peer's close frame had no code
  kAbnormal = 1006,  // never sent: the connection ended without a close frame
  kInvalidText = 1007,
  kPolicy = 1008,
  kTooBig = 1009,
  kInternal = 1011,

  kUnauthorized = 4001,
  kForbidden = 4003,
  kKicked = 4005,
  kAuthTimeout = 4009,

  kOverloaded = 4100,
  kSlowConsumer = 4101,
  kRateLimited = 4102,
  kConnectionLimit = 4103,
  kIdle = 4104,

  kRestart = 4200,
  kPingTimeout = 4201,
  kTokenExpired = 4202,
};

struct CloseInfo {
  CloseCode code;
  std::string_view name;    // for metrics and logs: a fixed set
  std::string_view reason;  // what the client reads; at most 123 bytes of ASCII
};

// The whole table, for metrics and docs.
std::span<const CloseInfo> CloseTable();

// The code's row and its number in the table. A code that is not there has kKicked's.
const CloseInfo& InfoOf(CloseCode code);
size_t RowOf(CloseCode code);

// True where the client may not come back.
bool IsForGood(CloseCode code);

// True for the codes with which a client leaves of its own accord: 1000, and 1005 where it said none. A page that is
// left or loaded again says 1001.
bool IsGoodbye(uint16_t code);

// True for the codes that a backend may send with Kick: 1000, 1008 and 3000 to 4999.
bool IsKickCode(uint32_t code);

// True for the codes that a peer may send: those of RFC 6455 section 7.4 and the registered and private ranges.
bool IsReceivableCode(uint16_t code);

}  // namespace carillon::wire
