#include "gateway/wire/close_code.h"

#include <iterator>

namespace carillon::wire {
namespace {

constexpr CloseInfo kTable[] = {
    {CloseCode::kNormal, "normal", "bye"},
    {CloseCode::kGoingAway, "going_away", ""},
    {CloseCode::kProtocolError, "protocol_error", "protocol error"},
    {CloseCode::kUnsupportedData, "unsupported_data", "this endpoint takes text frames only"},
    {CloseCode::kNoStatus, "no_status", ""},
    {CloseCode::kAbnormal, "abnormal", ""},
    {CloseCode::kInvalidText, "invalid_text", "text is not UTF-8"},
    {CloseCode::kPolicy, "flood", "too many fragments or control frames"},
    {CloseCode::kTooBig, "too_big", "message too big"},
    {CloseCode::kInternal, "internal", "internal error"},
    {CloseCode::kUnauthorized, "unauthorized", "token refused"},
    {CloseCode::kForbidden, "forbidden", "this user is blocked"},
    {CloseCode::kKicked, "kicked", "kicked"},
    {CloseCode::kAuthTimeout, "auth_timeout", "no token in time"},
    {CloseCode::kOverloaded, "overloaded", "the gateway is short of memory"},
    {CloseCode::kSlowConsumer, "slow_consumer", "reading too slowly"},
    {CloseCode::kRateLimited, "rate_limited", "messages too fast"},
    {CloseCode::kConnectionLimit, "connection_limit", "too many connections"},
    {CloseCode::kIdle, "idle", "nothing was said for long"},
    {CloseCode::kRestart, "restart", "the gateway restarts"},
    {CloseCode::kPingTimeout, "ping_timeout", "no answer to pings"},
    {CloseCode::kTokenExpired, "token_expired", "the token has expired: come back with a new one"},
};

}  // namespace

std::span<const CloseInfo> CloseTable() {
  return kTable;
}

const CloseInfo& InfoOf(CloseCode code) {
  const CloseInfo* kicked = nullptr;
  for (const CloseInfo& info : kTable) {
    if (info.code == code) return info;
    if (info.code == CloseCode::kKicked) kicked = &info;
  }
  return *kicked;
}

size_t RowOf(CloseCode code) {
  return static_cast<size_t>(&InfoOf(code) - std::begin(kTable));
}

bool IsForGood(CloseCode code) {
  auto number = static_cast<uint16_t>(code);
  return number >= 4000 && number <= 4099;
}

bool IsGoodbye(uint16_t code) {
  return code == static_cast<uint16_t>(CloseCode::kNormal) || code == static_cast<uint16_t>(CloseCode::kNoStatus);
}

bool IsKickCode(uint32_t code) {
  return code == 1000 || code == 1008 || (code >= 3000 && code <= 4999);
}

bool IsReceivableCode(uint16_t code) {
  if (code >= 1000 && code <= 1003) return true;
  if (code >= 1007 && code <= 1014) return true;
  return code >= 3000 && code <= 4999;
}

}  // namespace carillon::wire
