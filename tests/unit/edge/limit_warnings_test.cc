#include "gateway/edge/limit_warnings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/apps.h"

namespace carillon::edge {
namespace {

using ::testing::HasSubstr;

// How often counting to all of a limit, one by one, crosses 80 %, and where.
std::vector<size_t> Crossings(size_t most) {
  std::vector<size_t> at;
  for (size_t used = 0; used <= most + 1; ++used) {
    if (LimitWarnings::Crosses(used, most)) at.push_back(used);
  }
  return at;
}

TEST(LimitWarningsTest, EveryLimitIsCrossedOnce) {
  EXPECT_EQ(Crossings(100), std::vector<size_t>{80});
  EXPECT_EQ(Crossings(99), std::vector<size_t>{80});
  EXPECT_EQ(Crossings(10), std::vector<size_t>{8});
  EXPECT_EQ(Crossings(5), std::vector<size_t>{4});
  for (size_t most = 5; most < 3000; ++most) EXPECT_EQ(Crossings(most).size(), 1u) << most;
}

TEST(LimitWarningsTest, WhereThereIsNothingBetween80PercentAndAllNoneIs) {
  for (size_t most = 0; most < 5; ++most) EXPECT_TRUE(Crossings(most).empty()) << most;
}

TEST(LimitWarningsTest, CrossingsCountByLimitAndApp) {
  LimitWarnings warnings;
  warnings.Tell({"subscriptions", "default", 80, 100, "x"}, "s1");
  warnings.Tell({"subscriptions", "default", 80, 100, "x"}, "s2");
  warnings.Tell({"address_rate", "", 80, 100, "x"}, "203.0.113.0/24");

  MetricsWriter writer;
  warnings.Collect(writer, test::AppsOf(test::DefaultApp()));

  EXPECT_THAT(writer.Text(), HasSubstr(R"(carillon_limit_crossed_total{limit="subscriptions",app="default"} 2)"));
  EXPECT_THAT(writer.Text(), HasSubstr(R"(carillon_limit_crossed_total{limit="address_rate"} 1)"));
  EXPECT_THAT(writer.Text(), HasSubstr(R"(carillon_limit_crossed_total{limit="message_rate",app="default"} 0)"));
}

}  // namespace
}  // namespace carillon::edge
