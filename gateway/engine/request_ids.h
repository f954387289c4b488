#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "gateway/wire/position.h"
#include "gateway/wire/topic.h"

namespace carillon::engine {

// What became of a publication.
struct PublishOutcome {
  std::string message_id;
  uint32_t sessions = 0;
  std::optional<wire::Position> position;
};

// Which publications were seen lately, so that one that is tried again is sent once. Bounded in time and number; the
// oldest are forgotten first. Any thread.
class RequestIds {
 public:
  using Time = std::chrono::steady_clock::time_point;

  static constexpr std::chrono::minutes kWindow{5};

  // Each costs at most 128 bytes, whatever the length of the id.
  explicit RequestIds(size_t capacity) : capacity_(capacity / kStripes + 1) {}

  struct Found {
    PublishOutcome outcome;
    uint64_t fingerprint;  // of the message that had the id
  };
  // Nothing where the id was not used for this topic within the window.
  std::optional<Found> Find(const wire::TopicView& topic, std::string_view id, Time now) const;

  // INVARIANT: Find has just said nothing.
  void Add(const wire::TopicView& topic, std::string_view id, uint64_t fingerprint, const PublishOutcome& outcome,
           Time now);

  size_t size() const;

 private:
  static constexpr size_t kStripes = 64;
  static constexpr size_t kMaxMessageIdBytes = 24;
  static constexpr size_t kMaxEpochBytes = 12;

  // The topic and the id, hashed twice: no two of a few million collide in all 128 bits.
  struct Key {
    uint64_t low;
    uint64_t high;
  };
  struct Entry {
    Key key;
    Time added;
    uint64_t fingerprint;
    uint64_t offset;  // 0: no position
    uint32_t sessions;
    char epoch[kMaxEpochBytes];
    char message_id[kMaxMessageIdBytes];
  };
  struct Stripe {
    mutable std::mutex mutex;
    std::deque<Entry> entries;  // oldest first
    uint32_t first = 0;         // the number of entries.front(); they are numbered without a gap, and wrap
    absl::flat_hash_map<uint64_t, uint32_t> numbers;  // by Key::low
  };

  static Key KeyOf(const wire::TopicView& topic, std::string_view id);

  const size_t capacity_;  // of a stripe
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace carillon::engine
