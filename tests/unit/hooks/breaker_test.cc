#include "gateway/hooks/breaker.h"

#include <gtest/gtest.h>

namespace carillon::hooks {
namespace {

using std::chrono::milliseconds;
using State = Breaker::State;

class BreakerTest : public ::testing::Test {
 protected:
  // Whether a question is asked now; it is the probe where it should be.
  bool Allows(bool as_probe = false) {
    bool probe = false;
    bool allows = breaker_.Allows(now_, &probe);
    EXPECT_EQ(probe, as_probe);
    return allows;
  }
  bool Fail(bool probe = false) { return breaker_.OnFailure(probe, now_); }
  void Open() {
    for (int i = 0; i < 3; ++i) Fail();
    ASSERT_EQ(breaker_.state(), State::kOpen);
  }

  Breaker::Clock::time_point now_ = Breaker::Clock::now();
  Breaker breaker_{3, milliseconds(1000)};
};

TEST_F(BreakerTest, OpensAfterSoManyFailuresInARowAndSaysSoOnce) {
  EXPECT_FALSE(Fail());
  EXPECT_FALSE(Fail());
  breaker_.OnAnswer();  // not in a row
  EXPECT_FALSE(Fail());
  EXPECT_FALSE(Fail());
  EXPECT_TRUE(Allows());
  EXPECT_TRUE(Fail());
  EXPECT_FALSE(Fail());
  EXPECT_FALSE(Allows());
}

TEST_F(BreakerTest, AfterThePauseOneQuestionDecides) {
  Open();
  now_ += milliseconds(999);
  EXPECT_FALSE(Allows());
  now_ += milliseconds(1);
  EXPECT_TRUE(Allows(true));
  EXPECT_EQ(breaker_.state(), State::kProbing);
  EXPECT_FALSE(Allows());
  EXPECT_FALSE(Fail());  // an older question
  EXPECT_EQ(breaker_.state(), State::kProbing);
  EXPECT_FALSE(Fail(true));
  EXPECT_EQ(breaker_.state(), State::kOpen);
  EXPECT_FALSE(Allows());
  now_ += milliseconds(1000);
  EXPECT_TRUE(Allows(true));
  breaker_.OnAnswer();
  EXPECT_EQ(breaker_.state(), State::kClosed);
  EXPECT_TRUE(Allows());
  EXPECT_FALSE(Fail());  // counting begins anew
  EXPECT_FALSE(Fail());
  EXPECT_TRUE(Fail());
}

TEST_F(BreakerTest, AnOlderAnswerClosesItAsWell) {
  Open();
  breaker_.OnAnswer();
  EXPECT_TRUE(Allows());
}

TEST_F(BreakerTest, AProbeThatIsWithdrawnMakesTheNextQuestionOne) {
  Open();
  now_ += milliseconds(1000);
  EXPECT_TRUE(Allows(true));
  breaker_.OnWithdrawn(false);  // another one
  EXPECT_FALSE(Allows());
  breaker_.OnWithdrawn(true);
  EXPECT_TRUE(Allows(true));
}

}  // namespace
}  // namespace carillon::hooks
