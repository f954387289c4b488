#include "gateway/edge/limit_watches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace carillon::edge {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Crossed(LimitWatches& watches, const std::vector<LimitUse>& limits) {
  watches.Look(limits);
  MetricsWriter writer;
  watches.Collect(writer, limits);
  return writer.Text();
}

TEST(LimitWatchesTest, ACrossingOf80PercentCountsOnceUntilItIsBelow75) {
  LimitWatches watches;
  const std::pair<size_t, int> kSteps[] = {{0, 0},  {79, 0}, {80, 1}, {81, 1}, {100, 1}, {79, 1},
                                           {75, 1}, {80, 1}, {74, 1}, {79, 1}, {80, 2}};
  for (auto [used, crossed] : kSteps) {
    std::string text = Crossed(watches, {{"connections", "", used, 100, "x"}});
    EXPECT_THAT(text, HasSubstr("carillon_limit_crossed_total{limit=\"connections\"} " + std::to_string(crossed)))
        << used;
  }
}

TEST(LimitWatchesTest, EachAppIsWatchedByItself) {
  LimitWatches watches;
  std::string text = Crossed(watches, {{"app_connections", "shop", 4, 5, "x"}, {"app_connections", "blog", 3, 5, "x"}});
  EXPECT_THAT(text, HasSubstr(R"(carillon_limit_crossed_total{limit="app_connections",app="shop"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(carillon_limit_crossed_total{limit="app_connections",app="blog"} 0)"));
  EXPECT_THAT(text, HasSubstr(R"(carillon_limit_ratio{limit="app_connections",app="shop"} 0.8)"));

  EXPECT_THAT(Crossed(watches, {{"app_connections", "blog", 3, 5, "x"}}), Not(HasSubstr("shop")));
}

}  // namespace
}  // namespace carillon::edge
