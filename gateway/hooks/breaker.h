#pragma once

#include <chrono>
#include <cstdint>

namespace carillon::hooks {

// Leaves a backend alone that does not answer:
//
//   kClosed (everything is asked) → so many failures in a row → kOpen (nothing is) → the pause is over → kProbing (one
//   question is on its way) → an answer: kClosed; none: kOpen
//
// An answer to an older question closes it from everywhere. Not thread-safe.
class Breaker {
 public:
  using Clock = std::chrono::steady_clock;
  enum class State : uint8_t { kClosed, kProbing, kOpen };

  Breaker(uint32_t failures, std::chrono::milliseconds pause) : most_(failures), pause_(pause) {}

  // Whether a question may be asked now. *probe: it is the one that all depends on.
  bool Allows(Clock::time_point now, bool* probe) {
    *probe = state_ == State::kOpen && now >= open_until_;
    if (*probe) state_ = State::kProbing;
    return *probe || state_ == State::kClosed;
  }

  void OnAnswer() {
    state_ = State::kClosed;
    failures_ = 0;
  }

  // None came. True where the backend is left alone from here on, and was not before.
  bool OnFailure(bool probe, Clock::time_point now) {
    if (probe && state_ == State::kProbing) {
      Open(now);
      return false;
    }
    if (state_ != State::kClosed || ++failures_ < most_) return false;
    Open(now);
    return true;
  }

  // The question was taken back before it was answered.
  void OnWithdrawn(bool probe) {
    if (probe && state_ == State::kProbing) state_ = State::kOpen;  // the pause is over: the next one is the probe
  }

  State state() const { return state_; }

 private:
  void Open(Clock::time_point now) {
    state_ = State::kOpen;
    open_until_ = now + pause_;
  }

  const uint32_t most_;
  const std::chrono::milliseconds pause_;
  State state_ = State::kClosed;
  uint32_t failures_ = 0;  // in a row
  Clock::time_point open_until_;
};

}  // namespace carillon::hooks
