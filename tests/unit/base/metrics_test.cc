#include "gateway/base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace carillon {
namespace {

using ::testing::HasSubstr;

size_t CountOf(const std::string& text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(MetricsTest, AFamilyIsDescribedOnceForAllItsLabels) {
  MetricsWriter writer;

  writer.Counter("carillon_closed_total", "Sessions that ended.", 3, {{"code", "1000"}, {"reason", "normal"}});
  writer.Gauge("carillon_open", "Open now.", 2);
  writer.Counter("carillon_closed_total", "Sessions that ended.", 4, {{"code", "4101"}, {"reason", "slow"}});
  std::string text = writer.Text();

  EXPECT_EQ(CountOf(text, "# TYPE carillon_closed_total counter"), 1u);
  EXPECT_EQ(CountOf(text, "# HELP carillon_closed_total Sessions that ended."), 1u);
  EXPECT_THAT(text, HasSubstr("carillon_closed_total{code=\"1000\",reason=\"normal\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("carillon_closed_total{code=\"4101\",reason=\"slow\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE carillon_open gauge"));
  EXPECT_THAT(text, HasSubstr("carillon_open 2\n"));
}

TEST(MetricsTest, LargeCountersKeepTheirDigits) {
  MetricsWriter writer;

  writer.Counter("bytes_total", "", 123'456'789'012'345, {});

  EXPECT_THAT(writer.Text(), HasSubstr("bytes_total 123456789012345"));
}

TEST(MetricsTest, EveryCollectorIsAskedAtEachScrape) {
  Metrics metrics;
  uint64_t scrapes = 0;
  metrics.Add([&](MetricsWriter& writer) { writer.Counter("a_total", "", ++scrapes); });
  metrics.Add([](MetricsWriter& writer) { writer.Counter("b_total", "", 7); });

  metrics.Text();
  std::string text = metrics.Text();

  EXPECT_THAT(text, HasSubstr("a_total 2\n"));
  EXPECT_THAT(text, HasSubstr("b_total 7\n"));
}

TEST(MetricsTest, ACounterIsReadWhileItsOwnerCounts) {
  OwnCounter own;
  SharedCounter shared;
  constexpr uint64_t kTimes = 20000;

  std::thread owner([&] {
    for (uint64_t i = 0; i < kTimes; ++i) {
      own.Add(2);
      own.Sub();
      shared.Add();
    }
  });
  std::thread other([&] {
    for (uint64_t i = 0; i < kTimes; ++i) shared.Add();
  });
  uint64_t last = 0;
  while (last < kTimes) last = std::max(last, own.value());
  owner.join();
  other.join();

  EXPECT_EQ(own.value(), kTimes);
  EXPECT_EQ(shared.value(), 2 * kTimes);
}

}  // namespace
}  // namespace carillon
