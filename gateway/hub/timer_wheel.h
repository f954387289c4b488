#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <cstdint>

namespace carillon::hub {

// A hashed timer wheel: one for each shard, in place of one Asio timer for each connection. Arming, moving and
// disarming cost a few pointer writes; a timer fires at the first tick at or after its time.
// Thread: its shard's.
class TimerWheel {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::milliseconds kTick{50};

  class Timer : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
   public:
    virtual ~Timer() = default;
    // The timer is disarmed when this is called; it may arm itself again, or destroy itself.
    virtual void OnTimer() = 0;

   private:
    friend class TimerWheel;
    uint64_t due_tick_ = 0;
  };

  explicit TimerWheel(Clock::time_point start) : start_(start) {}

  // Arms or moves a timer. Times in the past fire at the next tick.
  void Arm(Timer& timer, Clock::time_point when);
  static void Disarm(Timer& timer) { timer.unlink(); }

  // Fires what is due. Call it about every kTick; a late call catches up.
  void Advance(Clock::time_point now);

 private:
  // 1,024 slots of 50 ms: the default heartbeat (54 s) passes a slot once or twice before it is due.
  static constexpr size_t kSlots = 1024;
  using List = boost::intrusive::list<Timer, boost::intrusive::constant_time_size<false>>;

  uint64_t TickOf(Clock::time_point when) const;

  const Clock::time_point start_;
  uint64_t now_tick_ = 0;
  std::array<List, kSlots> slots_;
};

}  // namespace carillon::hub
