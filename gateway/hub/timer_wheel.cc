#include "gateway/hub/timer_wheel.h"

#include <algorithm>
#include <exception>

#include "gateway/base/log.h"

namespace carillon::hub {

uint64_t TimerWheel::TickOf(Clock::time_point when) const {
  if (when <= start_) return 0;
  return static_cast<uint64_t>((when - start_ + kTick - Clock::duration(1)) / kTick);
}

void TimerWheel::Arm(Timer& timer, Clock::time_point when) {
  if (timer.is_linked()) timer.unlink();
  timer.due_tick_ = std::max(TickOf(when), now_tick_ + 1);
  slots_[timer.due_tick_ % kSlots].push_back(timer);
}

void TimerWheel::Advance(Clock::time_point now) {
  auto target = static_cast<uint64_t>((now - start_) / kTick);
  while (now_tick_ < target) {
    ++now_tick_;
    // Out of the slot first: a timer that fires may arm others into it or destroy them.
    List due;
    List& slot = slots_[now_tick_ % kSlots];
    for (auto it = slot.begin(); it != slot.end();) {
      Timer& timer = *it++;
      if (timer.due_tick_ > now_tick_) continue;
      timer.unlink();
      due.push_back(timer);
    }
    while (!due.empty()) {
      Timer& timer = due.front();
      timer.unlink();
      try {
        timer.OnTimer();
      } catch (const std::exception& error) {
        // One timer's fault must not take the others of its tick with it, nor the ticks after it.
        log::Error("hub", "a timer failed", {{"why", error.what()}});
      }
    }
  }
}

}  // namespace carillon::hub
