#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace carillon::cli {

// Counts of nanoseconds in buckets of about 3 % width: constant memory and a few nanoseconds a sample.
class LatencyHistogram {
 public:
  void Add(uint64_t ns) {
    ++buckets_[BucketOf(ns)];
    ++count_;
    max_ = std::max(max_, ns);
  }

  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }

  // The latency that the share `quantile` of the samples did not exceed, to a bucket's width.
  uint64_t Quantile(double quantile) const {
    auto wanted = static_cast<uint64_t>(quantile * static_cast<double>(count_));
    uint64_t seen = 0;
    for (size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen > wanted) return std::min(UpperEdge(i), max_);
    }
    return max_;
  }

 private:
  static constexpr int kSubBits = 5;  // 32 buckets for each power of two

  static size_t BucketOf(uint64_t ns) {
    if (ns < (1U << kSubBits)) return ns;
    int shift = static_cast<int>(std::bit_width(ns)) - kSubBits - 1;
    return (static_cast<size_t>(shift + 1) << kSubBits) + (ns >> shift) - (1U << kSubBits);
  }
  static uint64_t UpperEdge(size_t bucket) {
    if (bucket < (1U << kSubBits)) return bucket;
    size_t shift = (bucket >> kSubBits) - 1;
    uint64_t step = (bucket & ((1U << kSubBits) - 1)) + (1U << kSubBits) + 1;
    return (step << shift) - 1;
  }

  std::array<uint64_t, 60 << kSubBits> buckets_{};
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace carillon::cli
