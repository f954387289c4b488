#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace carillon {

// A shard's number on its node, from 0.
using ShardIndex = uint16_t;

// The most shards of a node: a set of them fits one word.
inline constexpr ShardIndex kMaxShards = 64;

// A set of shards, one bit each.
using ShardSet = uint64_t;

inline constexpr ShardSet ShardBit(ShardIndex shard) {
  return ShardSet{1} << shard;
}

// The name of a session, safe to keep after the session is gone: it is never used again. It carries its shard, so that
// a message for one session finds its way without a look-up. Written as 20 hexadecimal digits: 4 for the shard, 16
// unpredictable ones.
struct SessionId {
  ShardIndex shard = 0;
  uint64_t key = 0;

  auto operator<=>(const SessionId&) const = default;  // NOLINT(modernize-use-nullptr): of clang-tidy 14

  std::string ToString() const;

  // Nothing where the text is not a session id. Accepts exactly what ToString makes.
  static std::optional<SessionId> Parse(std::string_view text);
};

}  // namespace carillon
