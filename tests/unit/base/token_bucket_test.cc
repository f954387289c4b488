#include "gateway/base/token_bucket.h"

#include <gtest/gtest.h>

namespace carillon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class TokenBucketTest : public ::testing::Test {
 protected:
  // How many of `tries` at the same moment get a token.
  int Take(TokenBucket& bucket, int tries) const {
    int taken = 0;
    for (int i = 0; i < tries; ++i) taken += bucket.Take(now_) ? 1 : 0;
    return taken;
  }

  TokenBucket::Clock::time_point now_ = TokenBucket::Clock::time_point(seconds(1000));
};

TEST_F(TokenBucketTest, TheBurstIsThereAtOnceAndNoMore) {
  TokenBucket bucket(20.0F, seconds(1));

  EXPECT_EQ(Take(bucket, 100), 20);
}

TEST_F(TokenBucketTest, RefillsEvenlyOverTheWindow) {
  TokenBucket bucket(20.0F, seconds(1));
  Take(bucket, 20);

  now_ += milliseconds(251);
  EXPECT_EQ(Take(bucket, 100), 5);
  now_ += milliseconds(10);
  EXPECT_EQ(Take(bucket, 100), 0);
}

TEST_F(TokenBucketTest, NeverHoldsMoreThanTheBurst) {
  TokenBucket bucket(20.0F, seconds(1));
  Take(bucket, 20);

  now_ += std::chrono::hours(24 * 365);

  EXPECT_EQ(Take(bucket, 100), 20);
}

TEST_F(TokenBucketTest, ASteadyRateBelowTheLimitIsNeverRefused) {
  TokenBucket bucket(20.0F, seconds(1));
  for (int i = 0; i < 10000; ++i) {
    now_ += milliseconds(51);
    ASSERT_TRUE(bucket.Take(now_)) << i;
  }
}

TEST_F(TokenBucketTest, ATightLoopGetsNoMoreThanTheRate) {
  TokenBucket bucket(20.0F, seconds(1));
  int taken = 0;
  for (int i = 0; i < 10000; ++i) {
    now_ += milliseconds(1);
    taken += bucket.Take(now_) ? 1 : 0;
  }
  EXPECT_NEAR(taken, 20 + 10 * 20, 3);
}

TEST_F(TokenBucketTest, AClockThatStepsBackGivesNothing) {
  TokenBucket bucket(20.0F, seconds(1));
  Take(bucket, 20);

  now_ -= seconds(10);

  EXPECT_EQ(Take(bucket, 100), 0);
}

TEST_F(TokenBucketTest, ComesNearOnceUntilAQuarterIsThereAgain) {
  TokenBucket bucket(100.0F, seconds(1));
  auto near_after = [&](int tries) {
    int times = 0;
    for (int i = 0; i < tries; ++i) times += bucket.Take(now_) && bucket.ComesNear() ? 1 : 0;
    return times;
  };
  EXPECT_EQ(near_after(79), 0);
  EXPECT_EQ(near_after(1), 1);
  EXPECT_EQ(near_after(100), 0);

  now_ += milliseconds(241);  // 24 of them
  EXPECT_EQ(near_after(100), 0);
  now_ += milliseconds(261);
  EXPECT_EQ(near_after(100), 1);
}

TEST_F(TokenBucketTest, OfFewNoneIsNear) {
  TokenBucket bucket(4.0F, seconds(1));
  for (int i = 0; i < 10; ++i) {
    bucket.Take(now_);
    EXPECT_FALSE(bucket.ComesNear());
  }
}

}  // namespace
}  // namespace carillon
