#include "gateway/edge/token_clock.h"

#include <gtest/gtest.h>

namespace carillon::edge {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using Says = TokenClock::Says;

constexpr auto kNever = TokenClock::Clock::time_point::max();

// A token that has a hundred seconds to live, and is good for five more.
auth::Identity Token(TokenClock::WallClock::time_point now, seconds left = seconds(100)) {
  auth::Identity identity;
  identity.expires_at = now + left;
  identity.valid_until = identity.expires_at + seconds(5);
  return identity;
}

class TokenClockTest : public ::testing::Test {
 protected:
  void Follow(const auth::Identity& identity) {
    identity_ = &identity;
    ASSERT_TRUE(clock_.Follow(identity, wall_));
  }

  // So much later, by both clocks.
  Says LookAfter(seconds passed) {
    wall_ += passed;
    here_ += passed;
    return clock_.Look(*identity_, wall_, here_);
  }

  TokenClock clock_;
  const auth::Identity* identity_ = nullptr;
  TokenClock::WallClock::time_point wall_{seconds(1'700'000'000)};
  TokenClock::Clock::time_point here_{seconds(1'000)};
};

TEST_F(TokenClockTest, NobodysTokenIsNeverLookedAt) {
  EXPECT_EQ(clock_.due(), kNever);
}

TEST_F(TokenClockTest, ItsEndIsToldOnceWhenNineTenthsAreOverAndThenThatItHasEnded) {
  auth::Identity token = Token(wall_);
  Follow(token);
  EXPECT_EQ(LookAfter(seconds(0)), Says::kNothing);
  EXPECT_EQ(LookAfter(seconds(60)), Says::kNothing);
  EXPECT_EQ(clock_.due(), here_ + seconds(30));
  EXPECT_EQ(LookAfter(seconds(29)), Says::kNothing);
  EXPECT_EQ(LookAfter(seconds(1)), Says::kEnds);
  EXPECT_EQ(clock_.due(), here_ + seconds(15));
  EXPECT_EQ(LookAfter(seconds(14)), Says::kNothing);
  EXPECT_EQ(LookAfter(seconds(1)), Says::kEnded);
}

TEST_F(TokenClockTest, ItIsLookedAtEveryMinuteBecauseTheWallClockMayJump) {
  auth::Identity token = Token(wall_, hours(10));
  Follow(token);
  EXPECT_EQ(LookAfter(seconds(0)), Says::kNothing);
  EXPECT_EQ(clock_.due(), here_ + minutes(1));
  wall_ += hours(9) + minutes(30);
  EXPECT_EQ(LookAfter(minutes(1)), Says::kEnds);
  wall_ += hours(1);
  EXPECT_EQ(LookAfter(minutes(1)), Says::kEnded);
}

TEST_F(TokenClockTest, ATokenThatEndedWhileNobodyLookedIsNotAnnounced) {
  auth::Identity token = Token(wall_);
  Follow(token);
  EXPECT_EQ(LookAfter(seconds(105)), Says::kEnded);
}

TEST_F(TokenClockTest, ANewTokenIsAnnouncedAnew) {
  auth::Identity token = Token(wall_);
  Follow(token);
  EXPECT_FALSE(clock_.Follow(token, wall_));
  EXPECT_EQ(LookAfter(seconds(90)), Says::kEnds);

  auth::Identity newer = Token(wall_);
  Follow(newer);
  EXPECT_EQ(LookAfter(seconds(50)), Says::kNothing);
  EXPECT_EQ(clock_.due(), here_ + seconds(40));
  EXPECT_EQ(LookAfter(seconds(40)), Says::kEnds);
}

TEST_F(TokenClockTest, ATokenWithoutAnEndIsNeverAnnounced) {
  auth::Identity token;
  token.expires_at = token.valid_until = TokenClock::WallClock::time_point::max();
  Follow(token);
  EXPECT_EQ(LookAfter(seconds(0)), Says::kNothing);
  EXPECT_EQ(LookAfter(hours(1'000)), Says::kNothing);
  EXPECT_EQ(clock_.due(), here_ + minutes(1));
}

}  // namespace
}  // namespace carillon::edge
