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

// What a message, or the beginning of a session, cannot be answered without. Nothing is read until it is there.
struct Waiting {
  // To be called: waits, and calls back on any thread when the message is to be handled again. False: there is nothing
  // to wait for after all. Null: it was called.
  std::function<bool(std::function<void()> again)> begin;

  bool keys_are_fresh = false;       // newer keys were waited for
  Answers answers;                   // of backends
  std::shared_ptr<Inquiry> inquiry;  // that runs
};

// What a session may still be waiting for before it is a full one.
struct SessionState {
  bool owes_auth = false;
  std::vector<std::string> streams;  // asked for at connect, to be judged when the identity is known
  dialect::WantedByStream wanted;    // of what was missed, likewise

  std::unique_ptr<Waiting> waiting;  // of this message; null: for nothing yet
  bool again = false;                // the message is handled again

  // The message waits: for the first thing, or for one more.
  void Wait(std::function<bool(std::function<void()> again)> begin) {
    if (waiting == nullptr) waiting = std::make_unique<Waiting>();
    waiting->begin = std::move(begin);
  }
  bool must_wait() const { return waiting != nullptr && waiting->begin != nullptr; }
  const Answers* answers() const { return waiting == nullptr ? nullptr : &waiting->answers; }

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
