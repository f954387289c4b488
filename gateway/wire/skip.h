#pragma once

#include <cstdint>
#include <string>

#include "gateway/wire/position.h"

namespace carillon::wire {

// Why messages of a log were not given to a subscriber. They use offsets all the same.
enum class SkipReason : uint8_t {
  kFiltered,   // not for it, by the publisher's selector or its own filter
  kExcluded,   // the publisher left it out
  kExpired,    // too late
  kConflated,  // a newer message of the same key stands for it
  kDropped,    // it reads too slowly
};
inline constexpr size_t kSkipReasons = 5;

struct SkipCounts {
  uint64_t of[kSkipReasons] = {};

  void Add(SkipReason reason, uint64_t count = 1) { of[static_cast<size_t>(reason)] += count; }
  void Add(const SkipCounts& other) {
    for (size_t i = 0; i < kSkipReasons; ++i) of[i] += other.of[i];
  }
  uint64_t operator[](SkipReason reason) const { return of[static_cast<size_t>(reason)]; }
  uint64_t sum() const {
    uint64_t sum = 0;
    for (uint64_t count : of) sum += count;
    return sum;
  }
  bool none() const { return sum() == 0; }
};

// What a subscriber is told of messages that it does not get, so that its position stays true.
struct Skip {
  std::string log;  // the stream, or "@user"
  Position to;      // where it stands now; no epoch: there is no log, and nothing but the counts
  // Of the messages up to here that do not come, all are among the counts; those that come are still on their way. At
  // least `to.offset`.
  uint64_t covers = 0;
  SkipCounts counts;
};

}  // namespace carillon::wire
