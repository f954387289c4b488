#include "gateway/hub/timer_wheel.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "tests/support/seed.h"

namespace carillon::hub {
namespace {

using std::chrono::milliseconds;
using Clock = TimerWheel::Clock;

class FakeTimer : public TimerWheel::Timer {
 public:
  explicit FakeTimer(std::function<void()> on_timer = {}) : on_timer_(std::move(on_timer)) {}
  void OnTimer() override {
    ++fired_;
    if (on_timer_) on_timer_();
  }
  int fired() const { return fired_; }

 private:
  std::function<void()> on_timer_;
  int fired_ = 0;
};

class TimerWheelTest : public ::testing::Test {
 protected:
  void AdvanceTo(int64_t ms) { wheel_.Advance(At(ms)); }
  static Clock::time_point At(int64_t ms) { return Clock::time_point(std::chrono::hours(7)) + milliseconds(ms); }

  TimerWheel wheel_{At(0)};
};

TEST_F(TimerWheelTest, FiresAtTheFirstTickAtOrAfterItsTimeAndOnce) {
  FakeTimer on_tick;
  FakeTimer between;
  wheel_.Arm(on_tick, At(100));
  wheel_.Arm(between, At(101));

  AdvanceTo(99);
  EXPECT_EQ(on_tick.fired(), 0);
  AdvanceTo(100);
  EXPECT_EQ(on_tick.fired(), 1);
  EXPECT_EQ(between.fired(), 0);
  AdvanceTo(149);
  EXPECT_EQ(between.fired(), 0);
  AdvanceTo(150);
  EXPECT_EQ(between.fired(), 1);
  AdvanceTo(1'000'000);
  EXPECT_EQ(on_tick.fired() + between.fired(), 2);
}

TEST_F(TimerWheelTest, TimesInThePastFireAtTheNextTick) {
  AdvanceTo(1000);
  FakeTimer timer;
  wheel_.Arm(timer, At(0));

  AdvanceTo(1049);
  EXPECT_EQ(timer.fired(), 0);
  AdvanceTo(1050);
  EXPECT_EQ(timer.fired(), 1);
}

TEST_F(TimerWheelTest, FarTimersSurviveManyRounds) {
  // A round is 1,024 ticks: 51.2 s.
  FakeTimer heartbeat;
  FakeTimer hour;
  wheel_.Arm(heartbeat, At(54'000));
  wheel_.Arm(hour, At(3'600'000));

  for (int64_t ms = 0; ms < 54'000; ms += 50) AdvanceTo(ms);
  EXPECT_EQ(heartbeat.fired(), 0);
  AdvanceTo(54'000);
  EXPECT_EQ(heartbeat.fired(), 1);
  AdvanceTo(3'599'950);
  EXPECT_EQ(hour.fired(), 0);
  AdvanceTo(3'600'000);
  EXPECT_EQ(hour.fired(), 1);
}

TEST_F(TimerWheelTest, ALateCallCatchesUpInOrder) {
  std::vector<int> order;
  FakeTimer third([&] { order.push_back(3); });
  FakeTimer first([&] { order.push_back(1); });
  FakeTimer second([&] { order.push_back(2); });
  wheel_.Arm(third, At(60'000));
  wheel_.Arm(first, At(100));
  wheel_.Arm(second, At(8'800));  // the third's slot, a round earlier

  AdvanceTo(120'000);

  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST_F(TimerWheelTest, ArmingAgainMoves) {
  FakeTimer timer;
  wheel_.Arm(timer, At(100));
  wheel_.Arm(timer, At(500));

  AdvanceTo(450);
  EXPECT_EQ(timer.fired(), 0);
  wheel_.Arm(timer, At(480));
  AdvanceTo(1000);
  EXPECT_EQ(timer.fired(), 1);
}

TEST_F(TimerWheelTest, DisarmedAndDestroyedTimersDoNotFire) {
  FakeTimer disarmed;
  auto destroyed = std::make_unique<FakeTimer>([] { FAIL(); });
  wheel_.Arm(disarmed, At(100));
  wheel_.Arm(*destroyed, At(100));

  TimerWheel::Disarm(disarmed);
  destroyed.reset();
  AdvanceTo(200);

  EXPECT_EQ(disarmed.fired(), 0);
  TimerWheel::Disarm(disarmed);  // twice is nothing
}

TEST_F(TimerWheelTest, ATimerMayArmItselfAgain) {
  FakeTimer* self = nullptr;
  int64_t due = 100;
  FakeTimer timer([&] { wheel_.Arm(*self, At(due += 100)); });
  self = &timer;
  wheel_.Arm(timer, At(due));

  AdvanceTo(1000);

  EXPECT_EQ(timer.fired(), 10);
}

TEST_F(TimerWheelTest, ATimerThatArmsItselfForThePastFiresOnceATick) {
  FakeTimer* self = nullptr;
  FakeTimer timer([&] { wheel_.Arm(*self, At(0)); });
  self = &timer;
  wheel_.Arm(timer, At(0));

  AdvanceTo(500);

  EXPECT_EQ(timer.fired(), 10);
}

TEST_F(TimerWheelTest, ATimerMayDestroyItselfAndOthersOfItsTick) {
  std::map<int, std::unique_ptr<FakeTimer>> timers;
  int fired = 0;
  for (int i = 0; i < 4; ++i) {
    timers[i] = std::make_unique<FakeTimer>([&] {
      ++fired;
      timers.clear();
    });
    wheel_.Arm(*timers[i], At(100));
  }

  AdvanceTo(100);
  AdvanceTo(100'000);

  EXPECT_EQ(fired, 1);
}

TEST_F(TimerWheelTest, ATimerMayMoveOthersOfItsTick) {
  FakeTimer other;
  FakeTimer mover([&] { wheel_.Arm(other, At(5000)); });
  wheel_.Arm(mover, At(100));
  wheel_.Arm(other, At(100));

  AdvanceTo(100);
  EXPECT_EQ(other.fired(), 0);
  AdvanceTo(5000);
  EXPECT_EQ(other.fired(), 1);
}

TEST_F(TimerWheelTest, TimersMayOutliveTheWheel) {
  FakeTimer timer;
  {
    TimerWheel wheel(At(0));
    wheel.Arm(timer, At(100));
  }
  EXPECT_FALSE(timer.is_linked());
}

TEST_F(TimerWheelTest, BehavesLikeASortedMap) {
  test::Random random;
  constexpr size_t kTimers = 200;
  std::vector<std::unique_ptr<FakeTimer>> timers;
  std::map<size_t, int64_t> due;  // the model: when, in ticks
  std::set<size_t> fired;
  int64_t tick = 0;
  for (size_t i = 0; i < kTimers; ++i) timers.push_back(std::make_unique<FakeTimer>([&fired, i] { fired.insert(i); }));

  for (int step = 0; step < 5000; ++step) {
    size_t i = random.Below(kTimers);
    int64_t ms = tick * 50 + static_cast<int64_t>(random.OneIn(3) ? random.Below(200'000) : random.Below(400));
    if (random.OneIn(5)) {
      TimerWheel::Disarm(*timers[i]);
      due.erase(i);
    } else {
      wheel_.Arm(*timers[i], At(ms));
      due[i] = std::max((ms + 49) / 50, tick + 1);
    }
    if (random.OneIn(3)) {
      tick += static_cast<int64_t>(random.OneIn(50) ? random.Below(2000) : random.Below(4));
      fired.clear();
      AdvanceTo(tick * 50);

      std::set<size_t> expected;
      for (const auto& [timer, when] : due) {
        if (when <= tick) expected.insert(timer);
      }
      for (size_t timer : expected) due.erase(timer);
      ASSERT_EQ(fired, expected) << "at step " << step;
    }
  }
}

}  // namespace
}  // namespace carillon::hub
