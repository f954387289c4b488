#pragma once

#include <algorithm>
#include <chrono>
#include <utility>

namespace carillon {

// A rate with a burst: `burst` at once, refilled evenly over `window`. Not thread-safe.
class TokenBucket {
 public:
  using Clock = std::chrono::steady_clock;

  TokenBucket(float burst, Clock::duration window)
      : burst_(burst), tokens_(burst), per_second_(burst / std::chrono::duration<float>(window).count()) {}

  // Takes one token; false where none is left.
  bool Take(Clock::time_point now) {
    if (last_ != Clock::time_point()) {
      float passed = std::chrono::duration<float>(now - last_).count();
      tokens_ = std::min(burst_, tokens_ + std::max(0.0F, passed) * per_second_);
    }
    last_ = now;
    if (tokens_ > kPlenty * burst_) near_ = false;
    if (tokens_ < 1.0F) return false;
    tokens_ -= 1.0F;
    return true;
  }

  // True once when four fifths of the burst are used and there is one left, and again only after a quarter was there.
  bool ComesNear() { return tokens_ >= 1.0F && tokens_ <= kLittle * burst_ && !std::exchange(near_, true); }

  float burst() const { return burst_; }
  float used() const { return burst_ - tokens_; }

  // How long until there is one, as of the last Take.
  std::chrono::milliseconds Wait() const {
    float seconds = std::max(0.0F, 1.0F - tokens_) / per_second_;
    return std::chrono::ceil<std::chrono::milliseconds>(std::chrono::duration<float>(seconds));
  }

 private:
  static constexpr float kLittle = 0.2F;
  static constexpr float kPlenty = 0.25F;

  float burst_;
  float tokens_;
  float per_second_;
  bool near_ = false;
  Clock::time_point last_;
};

}  // namespace carillon
