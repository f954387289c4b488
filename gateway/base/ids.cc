#include "gateway/base/ids.h"

#include <fmt/format.h>

#include <charconv>

namespace carillon {
namespace {

constexpr size_t kShardDigits = 4;
constexpr size_t kKeyDigits = 16;

template <class Number>
bool ParseHex(std::string_view text, Number* number) {
  for (char c : text) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number, 16);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string SessionId::ToString() const {
  return fmt::format("{:04x}{:016x}", shard, key);
}

std::optional<SessionId> SessionId::Parse(std::string_view text) {
  SessionId id;
  if (text.size() != kShardDigits + kKeyDigits) return std::nullopt;
  if (!ParseHex(text.substr(0, kShardDigits), &id.shard)) return std::nullopt;
  if (!ParseHex(text.substr(kShardDigits), &id.key)) return std::nullopt;
  if (id.shard >= kMaxShards) return std::nullopt;
  return id;
}

}  // namespace carillon
