#include "control/field_checks.h"

#include <algorithm>

#include "gateway/base/ids.h"
#include "gateway/wire/topic.h"

namespace carillon::control {
namespace {

constexpr size_t kMaxEpochBytes = 64;
constexpr int32_t kDefaultPageSize = 100;
constexpr int32_t kMaxPageSize = 1000;

}  // namespace

Status Prefixed(std::string_view field, const Status& status) {
  return status.ok() ? status : FieldError(field, MessageOf(status));
}

Status CheckStream(std::string_view field, std::string_view stream) {
  return Prefixed(field, wire::CheckStreamName(stream));
}

Status CheckUser(std::string_view field, std::string_view user) {
  return Prefixed(field, wire::CheckUserId(user));
}

Status CheckSession(std::string_view field, std::string_view id) {
  if (SessionId::Parse(id).has_value()) return absl::OkStatus();
  return FieldError(field, "not a session id: 20 hexadecimal digits, as welcome and Subscribers say it");
}

Status ReadPosition(std::string_view field, const v1::Position& position, wire::Position* out) {
  if (position.epoch().empty() || position.epoch().size() > kMaxEpochBytes) {
    return FieldError(fmt::format("{}.epoch", field), "the epoch that a receipt or ListMessages said");
  }
  *out = {position.epoch(), position.offset()};
  return absl::OkStatus();
}

StatusOr<size_t> ReadPageSize(int32_t wanted) {
  if (wanted < 0) return FieldError("page_size", "may not be negative");
  return static_cast<size_t>(wanted == 0 ? kDefaultPageSize : std::min(wanted, kMaxPageSize));
}

}  // namespace carillon::control
