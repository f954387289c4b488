#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/auth/catalogue.h"

// What becomes of what an app's clients say without naming a stream. From config.proto's EventRule, which says what
// each part means.
namespace carillon::auth {

enum class EventAction : uint8_t { kFeed, kPresence, kPublish, kSubscribe, kUnsubscribe, kSync, kRefuse, kNone };

struct EventRule {
  std::string event = "*";  // a name, or the beginning of names and a "*"
  EventAction action = EventAction::kFeed;
  std::string stream;      // Expand pattern, where {data.FIELD} is what the client says
  bool anonymous = false;  // sessions without a user may as well
  Rate rate{10, std::chrono::seconds(1)};
  size_t max_payload_bytes = 16 << 10;
  std::string hook;  // the backend that is asked first; empty: none
};

// The rules of an app, the first that matches counts. Immutable; any thread.
class ClientEvents {
 public:
  ClientEvents() = default;
  explicit ClientEvents(std::vector<EventRule> rules) : rules_(std::move(rules)) {}

  // The rule of an event; where none matches, the one that everybody has. Lives as long as this.
  const EventRule& Find(std::string_view event) const;

 private:
  std::vector<EventRule> rules_;
  EventRule otherwise_;
};

}  // namespace carillon::auth
