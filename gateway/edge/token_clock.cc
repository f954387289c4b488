#include "gateway/edge/token_clock.h"

#include <algorithm>

namespace carillon::edge {
namespace {

// The client is told after this part of what is left of its token's life.
constexpr double kNotice = 0.9;

constexpr std::chrono::minutes kLookAgain{1};

}  // namespace

bool TokenClock::Follow(const auth::Identity& identity, WallClock::time_point now) {
  if (followed_ == &identity) return false;
  followed_ = &identity;
  notice_at_ = now + std::chrono::duration_cast<WallClock::duration>((identity.expires_at - now) * kNotice);
  return true;
}

TokenClock::Says TokenClock::Look(const auth::Identity& identity, WallClock::time_point now, Clock::time_point here) {
  if (identity.valid_until <= now) return Says::kEnded;
  bool ends = notice_at_ <= now;
  if (ends) notice_at_ = WallClock::time_point::max();
  due_ = here + std::min<WallClock::duration>(std::min(notice_at_, identity.valid_until) - now, kLookAgain);
  return ends ? Says::kEnds : Says::kNothing;
}

}  // namespace carillon::edge
