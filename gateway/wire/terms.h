#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/ids.h"

namespace carillon::wire {

using WallClock = std::chrono::system_clock;

// What a publisher asked for beyond the message itself. It stays with the message in the log, so that a replay honours
// it too. Most messages have none.
struct Terms {
  static constexpr size_t kTextBytes = 64;  // of a string and where it stands

  // Of a message to a user: only for those sessions that subscribe to its stream.
  bool stream_subscribers_only = false;

  // Whom it is for: all that is given must hold.
  std::map<std::string, std::string> labels;
  std::vector<std::string> user_ids;  // one of them
  std::vector<std::string> roles;     // one of them

  // Whom it is not for.
  std::vector<SessionId> excluded_sessions;
  std::vector<std::string> excluded_users;

  std::string conflation_key;                                       // empty: the event's name
  WallClock::time_point expires = WallClock::time_point::max();     // the log does not give it later
  WallClock::time_point deliver_by = WallClock::time_point::max();  // nor does any queue

  // About how much memory they hold.
  size_t bytes() const {
    size_t total = sizeof(Terms) + conflation_key.size() + excluded_sessions.size() * sizeof(SessionId);
    for (const auto& [key, value] : labels) total += 2 * kTextBytes + key.size() + value.size();
    for (const auto* texts : {&user_ids, &roles, &excluded_users}) {
      for (const std::string& text : *texts) total += kTextBytes + text.size();
    }
    return total;
  }

  // True where nothing depends on who the receiver is.
  bool ForAnyone() const {
    return !stream_subscribers_only && labels.empty() && user_ids.empty() && roles.empty() &&
           excluded_sessions.empty() && excluded_users.empty();
  }
};

}  // namespace carillon::wire
