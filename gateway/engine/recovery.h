#pragma once

#include <cstdint>
#include <vector>

#include "gateway/wire/frame.h"
#include "gateway/wire/position.h"

// What a subscriber may ask of a log, and what it is told. The rules are those of docs/guarantees.md.
namespace carillon::engine {

// From where a subscriber wants to hear.
struct Since {
  enum class Kind : uint8_t {
    kNow,       // what comes; of a log of mode latest, its message first
    kPosition,  // everything after a position, or nothing
    kTime,      // everything after a time, or nothing
    kLast,      // as many of the newest messages as there are, up to a number
  };

  Kind kind = Kind::kNow;
  wire::Position position;
  wire::WallClock::time_point time;
  uint64_t last = 0;
};

// What became of the request to hear everything since then. Nothing is ever recovered in part.
enum class Recovery : uint8_t {
  kNotAsked,
  kOk,            // what is missing follows
  kEpochChanged,  // the log was lost or cleared since, or never had that position
  kTrimmed,       // what is missing is no longer kept
  kTooFar,        // more is missing than is replayed at once
  kDisabled,      // there is no log
};

// What there is to replay, and where that leaves the subscriber.
struct Replay {
  Recovery recovery = Recovery::kNotAsked;
  wire::Position from;                 // where the subscriber stands before the first of `frames`
  std::vector<wire::FramePtr> frames;  // contiguous, from `from` on; messages that may not be given are among them
  uint64_t conflated = 0;              // messages right after `from` that only a newer one stands for
};

}  // namespace carillon::engine
