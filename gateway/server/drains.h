#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "control/control_server.h"
#include "gateway/base/live.h"
#include "gateway/edge/admin_server.h"
#include "gateway/edge/edge_server.h"
#include "gateway/engine/memory_engine.h"
#include "gateway/hub/farewell.h"
#include "gateway/hub/node.h"
#include "gateway/server/ending.h"

namespace carillon::server {

// What is drained: the gateway, apps, endpoints; by a call or by a signal.
//
//   the gateway: not ready → (delay) → no new clients → each client is told and closed, evenly over the window → where
//   the process is to end: Ending
//
// A call's drain can be taken back, until calls are ended; a signal's cannot. Of one that a call began, new clients
// hear why they are refused; a signal closes the port. Thread: the main loop's, but for List and Collect.
class Drains {
 public:
  using Order = control::Operations::DrainOrder;
  using Place = control::Operations::DrainPlace;
  using Standing = control::Operations::DrainStanding;
  using Done = absl::AnyInvocable<void(StatusOr<Standing>)>;

  Drains(boost::asio::io_context& io, const DrainOptions& options, edge::AdminServer& admin, edge::EdgeServer& edge,
         control::ControlServer& control, hub::Node& node, engine::MemoryEngine& engine, Ending& end)
      : io_(io),
        options_(options),
        admin_(admin),
        edge_(edge),
        control_(control),
        node_(node),
        engine_(engine),
        end_(end) {}

  // See control::Operations::Drain.
  void Handle(Order order, Done done);

  // The process is told to end; `signal` is its name.
  void EndBySignal(std::string_view signal);

  // True from when the process is to end, unless that is taken back.
  bool ending() const;

  // An app is gone; one that comes under its name is another.
  void Forget(wire::AppId app);

  // See control::Operations::ListDrains. Any thread.
  void List(absl::AnyInvocable<void(std::vector<Standing>)> done) const;

  void Collect(MetricsWriter& writer) const;

 private:
  using Clock = std::chrono::steady_clock;

  // One that goes on.
  struct Course {
    Course(boost::asio::io_context& io, Order order) : order(std::move(order)), timer(io) {}

    Order order;  // that it began with, or that made it end the process
    hub::Leavers leavers;
    const edge::EndpointRules* endpoint = nullptr;
    std::chrono::system_clock::time_point began = std::chrono::system_clock::now();
    bool refuses = false;  // the delay is over
    Clock::time_point refuses_at = Clock::time_point::max();
    Clock::time_point told_at;  // when everybody has been told to go
    boost::asio::steady_timer timer;
  };
  using CoursePtr = std::shared_ptr<Course>;
  // What any thread may know of one.
  struct Known {
    Standing standing;
    hub::Leavers leavers;
  };

  // True where something is other than before.
  bool Begin(Order order);
  void TakeBack(const CoursePtr& course, std::string_view by, Done done);
  void WaitAtMost(const CoursePtr& course, std::chrono::milliseconds delay);
  void Refuse(const CoursePtr& course);
  void SendHome(const CoursePtr& course, size_t sessions);
  CoursePtr Find(const Place& place) const;
  bool GoesOn(const CoursePtr& course) const;
  void Record(const Order& order);
  void Tell();
  void Answer(const Place& place, bool changed, Done done) const;

  boost::asio::io_context& io_;
  const DrainOptions options_;
  edge::AdminServer& admin_;
  edge::EdgeServer& edge_;
  control::ControlServer& control_;
  hub::Node& node_;
  engine::MemoryEngine& engine_;
  Ending& end_;
  std::vector<CoursePtr> courses_;  // the gateway's first
  bool final_ = false;              // by a signal
  Live<std::vector<Known>> known_{{}};
};

}  // namespace carillon::server
