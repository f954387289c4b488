#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "control/control_server.h"
#include "gateway/edge/edge_server.h"
#include "gateway/engine/memory_engine.h"
#include "gateway/hub/node.h"

namespace carillon::server {

struct DrainOptions {
  std::chrono::milliseconds delay{0};
  std::chrono::milliseconds window{20'000};
  std::chrono::milliseconds timeout{5'000};
  std::chrono::milliseconds control_timeout{5'000};
  std::string snapshot;  // empty: none
};

// The end of a gateway whose clients are being sent home (Drains), in order, so that nobody loses more than must be:
//
//   backends go on publishing → the last client is gone, or the timeout has passed → nobody is accepted, calls end →
//   the snapshot is written → done
//
// Thread: the main loop's.
class Ending {
 public:
  // `done` is called on the loop. `clean`: false where somebody's connection does not take the end, and is not waited
  // for: to destroy the control server would be to wait.
  using Done = std::function<void(bool clean)>;

  Ending(boost::asio::io_context& io, const DrainOptions& options, edge::EdgeServer& edge,
         control::ControlServer& control, hub::Node& node, engine::MemoryEngine& engine, Done done)
      : io_(io),
        options_(options),
        edge_(edge),
        control_(control),
        node_(node),
        engine_(engine),
        done_(std::move(done)) {}
  ~Ending();

  // What stands under the snapshot's name is not ours to replace. Before Begin.
  void KeepSnapshotAway() { keep_away_ = true; }

  // False where logs were to be written, and could not be.
  bool kept_logs() const { return kept_logs_; }

  // The clients have all been told when the window is over. Nothing where calls are ended already.
  void Begin(std::chrono::milliseconds window);

  // The gateway goes on after all; false where it is too late for that.
  bool Cancel();

 private:
  using Clock = std::chrono::steady_clock;

  void WaitForClients();
  void EndCalls();
  bool WriteLogs();

  boost::asio::io_context& io_;
  const DrainOptions options_;
  edge::EdgeServer& edge_;
  control::ControlServer& control_;
  hub::Node& node_;
  engine::MemoryEngine& engine_;
  const Done done_;
  boost::asio::steady_timer timer_{io_};
  Clock::time_point deadline_;
  int polls_ = 0;
  uint64_t course_ = 0;  // a look that was begun in another one is too late
  bool keep_away_ = false;
  bool ending_calls_ = false;
  std::atomic<bool> kept_logs_{true};
  std::thread thread_;
};

}  // namespace carillon::server
