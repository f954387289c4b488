#pragma once

#include <chrono>
#include <cstdint>

namespace carillon {

// Counts up to a limit within a window that begins with the first of them. Of one thread.
class RateWindow {
 public:
  using Clock = std::chrono::steady_clock;

  // Counts one more; false where the window has its `limit`, which counts nothing.
  bool Take(Clock::time_point now, uint32_t limit, std::chrono::milliseconds window) {
    if (now - began_ >= window || count_ == 0) {
      began_ = now;
      count_ = 0;
    }
    if (count_ >= limit) return false;
    ++count_;
    return true;
  }

  uint32_t count() const { return count_; }

  // How long until the next window may begin.
  std::chrono::milliseconds Wait(Clock::time_point now, std::chrono::milliseconds window) const {
    return std::chrono::ceil<std::chrono::milliseconds>(began_ + window - now);
  }

 private:
  Clock::time_point began_;
  uint32_t count_ = 0;
};

}  // namespace carillon
