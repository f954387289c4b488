#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "carillon/v1/config.pb.h"
#include "control/control_server.h"
#include "gateway/base/metrics.h"
#include "gateway/edge/admin_server.h"
#include "gateway/edge/edge_server.h"
#include "gateway/engine/memory_engine.h"
#include "gateway/hooks/backends.h"
#include "gateway/hub/node.h"
#include "gateway/server/app_registry.h"
#include "gateway/server/config_loader.h"
#include "gateway/server/drains.h"
#include "gateway/server/ending.h"
#include "gateway/server/memory_guard.h"
#include "gateway/server/signals.h"

namespace carillon::server {

struct Addresses {
  std::string edge;
  std::string control;
  std::string admin;
};

// The whole gateway: builds everything in order, runs it until SIGTERM, SIGUSR1 or SIGINT, and ends it in order. The
// members stand in the order in which they need one another, and are destroyed in reverse; Run joins every thread
// before that, so that what stands below may hold plain references to what stands above. Thread: the main one, which
// serves signals, the admin port and deadlines.
class Application : private control::Operations {
 public:
  // Loads the configuration again, for SIGHUP; the error has a line for each problem.
  using Load = std::function<StatusOr<LoadedConfig>()>;

  Application(const LoadedConfig& loaded, Load load);
  ~Application() override;

  // Opens the ports. What it opened is closed by the destructor.
  Status Start();

  Addresses addresses() const { return {edge_.address(), control_.address(), admin_.address()}; }

  // Serves until a signal comes and everything has ended. A second SIGTERM or SIGINT ends the process at once. False
  // where the logs could not be written.
  bool Run();

 private:
  void Stop(bool clean);
  void OnSignal(int number);
  // `why`: SIGHUP, or whose call it was.
  StatusOr<control::Operations::Reloaded> LoadAgain(std::string_view why);

  // control::Operations
  void Reload(std::string key, absl::AnyInvocable<void(StatusOr<Reloaded>)> done) override;
  void DescribeConfig(absl::AnyInvocable<void(std::string)> done) override;
  void Drain(DrainOrder order, absl::AnyInvocable<void(StatusOr<DrainStanding>)> done) override;
  std::vector<hooks::BackendState> ListBackends() override { return backends_.states(); }
  void ListDrains(absl::AnyInvocable<void(std::vector<DrainStanding>)> done) override;

  void LoadForCalls();
  void CloseApp(wire::AppId app);
  size_t TokenKeys() const;
  Status LoadSnapshot();
  void EverySecond();
  void SweepPresence();
  void WatchClock();

  const v1::Config config_;  // of the start
  v1::Config current_;       // with what was loaded since
  const Load load_;
  const size_t max_connections_;
  const uint64_t memory_limit_;  // 0: none
  boost::asio::io_context io_{1};
  Signals signals_{io_, [this](int number) { OnSignal(number); }};
  boost::asio::steady_timer every_second_{io_};
  boost::asio::steady_timer sweep_{io_};
  std::chrono::nanoseconds wall_ahead_{};  // of the steady clock, when last looked at
  Metrics metrics_;
  AppRegistry registry_;
  auth::LiveApps apps_;
  hooks::Backends backends_;
  hub::Node node_;
  engine::MemoryEngine engine_;
  edge::EdgeServer edge_;
  control::ControlServer control_;
  edge::AdminServer admin_;
  Ending ending_;
  Drains drains_;
  MemoryGuard memory_guard_;
  bool signalled_ = false;
  bool told_to_end_ = false;
  // Calls that wait for one loading.
  struct WaitingReload {
    std::string key;
    absl::AnyInvocable<void(StatusOr<Reloaded>)> done;
  };
  std::mutex reloads_mutex_;
  std::vector<WaitingReload> reloads_;
};

// The most sessions that the limit on open files allows, less a reserve for gRPC, the engine and logs; raises the soft
// limit to the hard one first. `wanted` 0 means as many as that.
size_t ConnectionLimit(uint32_t wanted);

// The most connections to the edge of every kind: sessions, and those that are none yet.
size_t SocketLimit();

}  // namespace carillon::server
