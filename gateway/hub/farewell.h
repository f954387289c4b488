#pragma once

#include <chrono>
#include <vector>

#include "gateway/base/ids.h"
#include "gateway/hub/session.h"
#include "gateway/hub/timer_wheel.h"

namespace carillon::hub {

class Shard;

// Tells a session that the gateway restarts, and closes it. It is to come back after a time of its own within the
// window, so that the next process does not see all of them at once.
void SendHome(Session& session, std::chrono::milliseconds window);

// Sends the sessions of a shard home, in random order and evenly over the window. Those that begin meanwhile go at
// once. Thread: the shard's.
class Farewell : public TimerWheel::Timer {
 public:
  // The shard keeps it.
  static void Begin(Shard& shard, std::chrono::milliseconds window);

  void OnTimer() override;

 private:
  Farewell(Shard& shard, std::chrono::milliseconds window);

  Shard& shard_;
  const std::chrono::milliseconds window_;
  const std::chrono::steady_clock::time_point began_;
  std::vector<SessionId> sessions_;
  size_t next_ = 0;
};

}  // namespace carillon::hub
