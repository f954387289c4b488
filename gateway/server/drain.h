#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "control/control_server.h"
#include "gateway/edge/admin_server.h"
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

// The end of a gateway, in order, so that nobody loses more than must be:
//
//   not ready → (delay) → no new clients → each client is told and closed, evenly over the window; backends go on
//   publishing → the last client is gone, or the timeout has passed → calls end → the snapshot is written → done
//
// Thread: the main loop's.
class Drain {
 public:
  Drain(boost::asio::io_context& io, DrainOptions options, edge::AdminServer& admin, edge::EdgeServer& edge,
        control::ControlServer& control, hub::Node& node, engine::MemoryEngine& engine)
      : io_(io),
        options_(std::move(options)),
        admin_(admin),
        edge_(edge),
        control_(control),
        node_(node),
        engine_(engine) {}
  ~Drain();

  // What stands under the snapshot's name is not ours to replace. Before Begin.
  void KeepSnapshotAway() { keep_away_ = true; }

  // False where logs were to be written, and could not be.
  bool kept_logs() const { return kept_logs_; }

  // Once. `done` is called on the loop.
  void Begin(std::function<void()> done);

 private:
  using Clock = std::chrono::steady_clock;

  void After(std::chrono::milliseconds delay, void (Drain::*step)());
  void SendClientsHome();
  void WaitForClients();
  void EndCalls();
  bool WriteLogs();

  boost::asio::io_context& io_;
  DrainOptions options_;
  edge::AdminServer& admin_;
  edge::EdgeServer& edge_;
  control::ControlServer& control_;
  hub::Node& node_;
  engine::MemoryEngine& engine_;
  std::function<void()> done_;
  boost::asio::steady_timer timer_{io_};
  Clock::time_point deadline_;
  int polls_ = 0;
  bool keep_away_ = false;
  std::atomic<bool> kept_logs_{true};
  std::thread ending_;
};

}  // namespace carillon::server
