#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/wire/terms.h"

namespace carillon::wire {

// What users say of themselves in a stream.
enum class Availability : uint8_t { kOnline, kAway, kBusy };

std::string_view NameOf(Availability availability);

struct Mood {
  static constexpr size_t kMaxTextBytes = 256;

  Availability availability = Availability::kOnline;
  std::string text;  // free; at most kMaxTextBytes

  bool operator==(const Mood&) const = default;
};

// A user who is in a stream, however many sessions that is.
struct Member {
  std::string user_id;
  std::string name;  // as the newest token says it; may be empty
  std::string info;  // JSON, as the newest token says it; empty: nothing
  Mood mood;
  WallClock::time_point since;  // when the first of the sessions came
  uint32_t sessions = 0;        // 0: all are gone, and the stream still waits for one to come back
};

// {"user":{"id":"u1","name":"Ann","info":{…}},"status":"away","text":"lunch","since":1700000000000}
void AppendMemberJson(std::string& out, const Member& member);

}  // namespace carillon::wire
