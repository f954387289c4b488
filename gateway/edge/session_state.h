#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gateway/base/rate_window.h"
#include "gateway/base/string_map.h"
#include "gateway/base/token_bucket.h"
#include "gateway/dialect/dialect.h"

namespace carillon::edge {

// What a session may still be waiting for before it is a full one.
struct SessionState {
  bool owes_auth = false;
  std::vector<std::string> streams;  // asked for at connect, to be judged when the identity is known
  dialect::WantedByStream wanted;    // of what was missed, likewise

  // The message was a token whose key is not known, and was not answered: it is to be handled again when newer keys are
  // there (auth::Verifier::AwaitKeys), or known not to be.
  bool unknown_key = false;
  bool keys_are_fresh = false;

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
