#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "gateway/base/ids.h"
#include "gateway/hub/session.h"
#include "gateway/hub/timer_wheel.h"

namespace carillon::hub {

class Shard;

// Tells a session that the gateway restarts, and closes it. It is to come back after a time of its own within the
// window, so that the next process does not see all of them at once.
void SendHome(Session& session, std::chrono::milliseconds window);

// Which sessions are sent home: all, those of an app, or those of an endpoint, which is known by its settings.
struct Leavers {
  std::optional<wire::AppId> app;
  const SessionSettings* settings = nullptr;

  bool Takes(const Session& session) const {
    return (!app.has_value() || session.app() == *app) && (settings == nullptr || &session.settings() == settings);
  }
  friend bool operator==(const Leavers&, const Leavers&) = default;
};

// Sends sessions of a shard home, in random order and evenly over the window. Those that begin meanwhile, and after it,
// go at once, until it ends. Thread: the shard's.
class Farewell : public TimerWheel::Timer {
 public:
  // The shard keeps it, in place of one for the same sessions.
  static void Begin(Shard& shard, const Leavers& leavers, std::chrono::milliseconds window);

  // Those that have not been told stay.
  static void End(Shard& shard, const Leavers& leavers);

  // A session begins: it goes where it is to.
  static void Meet(Session& session);

  // How many there are that have not been told to go.
  static size_t Count(Shard& shard, const Leavers& leavers);

  void OnTimer() override;

 private:
  Farewell(Shard& shard, const Leavers& leavers, std::chrono::milliseconds window);

  Shard& shard_;
  const Leavers leavers_;
  const std::chrono::milliseconds window_;
  const std::chrono::steady_clock::time_point began_;
  std::vector<SessionId> sessions_;
  size_t next_ = 0;
};

}  // namespace carillon::hub
