#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/base/rate_window.h"
#include "gateway/base/string_map.h"
#include "gateway/base/token_bucket.h"
#include "gateway/dialect/dialect.h"
#include "gateway/edge/asking.h"

namespace carillon::edge {

// What a session may still be waiting for before it is a full one.
struct SessionState {
  bool owes_auth = false;
  std::vector<std::string> streams;  // asked for at connect, to be judged when the identity is known
  dialect::WantedByStream wanted;    // of what was missed, likewise

  // Set where a message (or the beginning of the session) cannot be answered yet: it is to be handled again when the
  // callback is called, on any thread, and nothing is read before. False: there is nothing to wait for after all.
  std::function<bool(std::function<void()> again)> wait;
  bool again = false;           // the message is handled again
  bool keys_are_fresh = false;  // newer keys were waited for
  Answers answers;              // that were waited for
  std::shared_ptr<Inquiry> inquiry;

  // What waits for backends while reading goes on; null: nothing has yet.
  std::shared_ptr<Asking> asking;
  const Answers* known = nullptr;  // of the command that is being done, which has waited

  // How fast messages come.
  std::optional<TokenBucket> rate;  // made with the first message
  TokenBucket::Clock::time_point told_at;
  TokenBucket::Clock::time_point dropped_at;  // the last one
  TokenBucket::Clock::time_point too_fast_since;
  StringMap<RateWindow> event_rates;  // by rule and event, of those that have one
  RateWindow forbidden;               // requests for what it may not have
  RateWindow entered;                 // streams that know who is there
  bool long_message = false;          // one that was nearly too long came
};

}  // namespace carillon::edge
