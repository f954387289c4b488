#include "gateway/base/rate_window.h"

#include <gtest/gtest.h>

namespace carillon {
namespace {

using std::chrono::milliseconds;

constexpr RateWindow::Clock::time_point kBegin{milliseconds(1'000'000)};

TEST(RateWindowTest, SoManyInAWindowThatBeginsWithTheFirst) {
  RateWindow window;
  auto at = [&](int ms) { return window.Take(kBegin + milliseconds(ms), 5, milliseconds(5000)); };
  for (int ms : {0, 1, 2, 3000, 4998}) EXPECT_TRUE(at(ms)) << ms;
  EXPECT_FALSE(at(4999));
  EXPECT_TRUE(at(5000));
  for (int ms : {5001, 5002, 5003, 5004}) EXPECT_TRUE(at(ms)) << ms;
  EXPECT_FALSE(at(9999));
}

TEST(RateWindowTest, WhatIsTooManyDoesNotMakeTheWaitLonger) {
  RateWindow window;
  EXPECT_TRUE(window.Take(kBegin, 1, milliseconds(1000)));
  for (int ms = 1; ms < 1000; ms += 100) {
    EXPECT_FALSE(window.Take(kBegin + milliseconds(ms), 1, milliseconds(1000)));
    EXPECT_EQ(window.Wait(kBegin + milliseconds(ms), milliseconds(1000)).count(), 1000 - ms);
  }
  EXPECT_TRUE(window.Take(kBegin + milliseconds(1000), 1, milliseconds(1000)));
}

TEST(RateWindowTest, TheFirstOfAllBeginsAWindowWheneverItComes) {
  RateWindow window;
  EXPECT_TRUE(window.Take(RateWindow::Clock::time_point(milliseconds(1)), 1, milliseconds(5000)));
  EXPECT_FALSE(window.Take(RateWindow::Clock::time_point(milliseconds(2)), 1, milliseconds(5000)));
}

}  // namespace
}  // namespace carillon
