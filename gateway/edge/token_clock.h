#pragma once

#include <chrono>

#include "gateway/auth/identity.h"
#include "gateway/wire/terms.h"

namespace carillon::edge {

// When the client of a session is told that its token ends, and when it has ended. By the wall clock, as tokens are
// judged; it may jump, and so the token is looked at again at least every minute. Thread: the session's shard's.
class TokenClock {
 public:
  using WallClock = wire::WallClock;
  using Clock = std::chrono::steady_clock;

  enum class Says : uint8_t { kNothing, kEnds, kEnded };

  // Whose token it follows from here on. False where it does already.
  bool Follow(const auth::Identity& identity, WallClock::time_point now);

  // What the client is to be told now: once that its token ends, and then that it has. Sets `due`, but not once it has
  // ended. INVARIANT: somebody's token is followed, and that is `identity`'s.
  Says Look(const auth::Identity& identity, WallClock::time_point now, Clock::time_point here);

  // When to look (again); max: never.
  Clock::time_point due() const { return due_; }

 private:
  const auth::Identity* followed_ = nullptr;
  WallClock::time_point notice_at_;  // max: the client was told
  Clock::time_point due_ = Clock::time_point::max();
};

}  // namespace carillon::edge
