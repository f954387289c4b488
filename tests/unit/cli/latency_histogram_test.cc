#include "tools/cli/latency_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/support/seed.h"

namespace carillon::cli {
namespace {

TEST(LatencyHistogram, SaysZeroOfNothing) {
  LatencyHistogram empty;
  EXPECT_EQ(empty.count(), 0U);
  EXPECT_EQ(empty.Quantile(0.99), 0U);
  EXPECT_EQ(empty.max(), 0U);
}

TEST(LatencyHistogram, IsExactBelowThirtyTwo) {
  LatencyHistogram histogram;
  for (uint64_t ns = 0; ns < 32; ++ns) histogram.Add(ns);
  for (uint64_t ns = 0; ns < 32; ++ns) EXPECT_EQ(histogram.Quantile(static_cast<double>(ns) / 32), ns);
}

TEST(LatencyHistogram, TakesTheLongestThereIs) {
  LatencyHistogram histogram;
  histogram.Add(UINT64_MAX);
  EXPECT_EQ(histogram.max(), UINT64_MAX);
  EXPECT_EQ(histogram.Quantile(0.5), UINT64_MAX);
}

// Against sorted samples: never below the true value, and above it by at most a bucket's width, 1/32.
TEST(LatencyHistogram, IsTrueToAThirtySecond) {
  test::Random random;
  for (int bits : {6, 12, 24, 40, 60}) {
    LatencyHistogram histogram;
    std::vector<uint64_t> samples(5000);
    for (uint64_t& sample : samples) {
      sample = random.Bits() >> (64 - bits);
      histogram.Add(sample);
    }
    std::sort(samples.begin(), samples.end());
    for (double quantile : {0.0, 0.1, 0.5, 0.9, 0.99, 0.999}) {
      auto exact = static_cast<double>(samples[static_cast<size_t>(quantile * 5000.0)]);
      auto told = static_cast<double>(histogram.Quantile(quantile));
      EXPECT_GE(told, exact) << bits << " bits, quantile " << quantile;
      EXPECT_LE(told, exact * 33 / 32 + 1) << bits << " bits, quantile " << quantile;
    }
  }
}

}  // namespace
}  // namespace carillon::cli
