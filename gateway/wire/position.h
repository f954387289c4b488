#pragma once

#include <cstdint>
#include <string>

namespace carillon::wire {

// Where a message stands in a log. Offsets count from 1 and have no holes; positions of different epochs cannot be
// compared. Offset 0 is before the first message.
struct Position {
  std::string epoch;
  uint64_t offset = 0;

  bool operator==(const Position&) const = default;
};

}  // namespace carillon::wire
