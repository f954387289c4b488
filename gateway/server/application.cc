#include "gateway/server/application.h"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>

#include "gateway/base/log.h"
#include "gateway/hub/answers.h"
#include "gateway/server/build_options.h"
#include "gateway/server/config_values.h"
#include "gateway/server/version.h"

namespace carillon::server {
namespace {

using Clock = std::chrono::steady_clock;

// How often shutdown looks whether the sessions are gone.
constexpr std::chrono::milliseconds kShutdownPoll{20};

// What calls that still run when the sessions are gone may take.
constexpr std::chrono::milliseconds kControlPatience{1000};

// A wall clock that jumps by more than this is worth a line: tokens live by it.
constexpr std::chrono::seconds kClockJump{5};
constexpr std::chrono::seconds kClockInterval{1};

std::chrono::nanoseconds WallAhead() {
  return std::chrono::system_clock::now().time_since_epoch() - Clock::now().time_since_epoch();
}

}  // namespace

size_t ConnectionLimit(uint32_t wanted) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  size_t files = limit.rlim_cur == RLIM_INFINITY ? size_t{1} << 30 : limit.rlim_cur;
  size_t reserve = std::max<size_t>(256, files / 50);
  size_t allowed = files > 2 * reserve ? files - reserve : files / 2;
  return wanted == 0 ? allowed : std::min<size_t>(wanted, allowed);
}

// When all sessions that there may be are there, some more connections may still be on their way to learning that.
// Their descriptors come out of the reserve.
size_t SocketLimit() {
  size_t sessions = ConnectionLimit(0);
  return sessions + std::min<size_t>(64, sessions / 4);
}

Application::Application(const v1::Config& config)
    : config_(config),
      max_connections_(ConnectionLimit(config.edge().max_connections())),
      node_(NodeOptionsOf(config_), io_),
      engine_(node_),
      edge_(EdgeOptionsOf(config_, max_connections_, SocketLimit()), node_),
      control_(ControlOptionsOf(config_), node_),
      admin_(io_, node_, metrics_) {}

Status Application::Start() {
  // Connections come and go by the thousand: two arenas keep freed memory together, where it can be given back.
  ::mallopt(M_ARENA_MAX, 2);
  std::signal(SIGPIPE, SIG_IGN);
  metrics_.Add([this](MetricsWriter& writer) {
    writer.Gauge("carillon_build_info", "What is running.", 1, {{"version", kVersion}});
    writer.Counter("carillon_log_dropped_total", "Log lines that a blocked or failing sink has cost.", log::Dropped());
    writer.Gauge("carillon_connections_limit", "The most sessions that are admitted.",
                 static_cast<double>(max_connections_));
    node_.Collect(writer);
    edge_.Collect(writer);
    control_.Collect(writer);
  });
  RETURN_IF_ERROR(admin_.Open(config_.admin().listen()));
  RETURN_IF_ERROR(edge_.Open());
  node_.Start(engine_);  // before any call can come
  RETURN_IF_ERROR(control_.Start());
  edge_.Start();
  admin_.Start();
  admin_.SetReady(true);
  wall_ahead_ = WallAhead();
  WatchClock();
  log::Info("server", "ready",
            {{"version", kVersion},
             {"edge", edge_.address()},
             {"control", control_.address()},
             {"admin", admin_.address()},
             {"shards", node_.shards()},
             {"max_connections", max_connections_},
             {"engine", "memory"},
             {"control_keys", config_.control().keys_size()},
             {"tokens", config_.auth().hs256_secret().empty() ? "not accepted" : "HS256"}});
  if (config_.edge().max_connections() > max_connections_) {
    log::Warn("server", "edge.max_connections is cut to what the limit on open files allows; raise ulimit -n",
              {{"wanted", config_.edge().max_connections()}, {"allowed", max_connections_}});
  }
  return absl::OkStatus();
}

void Application::Run() {
  WaitForSignal();
  auto work = boost::asio::make_work_guard(io_);
  io_.run();
  if (control_shutdown_.joinable()) control_shutdown_.join();
  node_.Stop();
}

void Application::WaitForSignal() {
  signals_.async_wait([this](const boost::system::error_code& error, int number) {
    if (error) return;
    WaitForSignal();
    if (number == SIGHUP) {  // often sent by habit; ending for it would cost every client its connection
      log::Info("server", "SIGHUP: nothing to do; this version reads its configuration at the start only");
    } else {
      OnSignal();
    }
  });
}

void Application::OnSignal() {
  if (std::exchange(stopping_, true)) {
    log::Warn("server", "a second signal: ending at once");
    log::Stop();
    std::_Exit(1);
  }
  log::Info("server", "stopping: telling clients to come back", {{"sessions", node_.Sessions()}});
  admin_.SetReady(false);
  control_.BeginShutdown();
  edge_.StopAccepting();
  node_.Tell(node_.all_shards(), [](hub::Shard& shard) { hub::SendAllHome(shard); });
  WaitForSessions(Clock::now() + ToMilliseconds(config_.shutdown().timeout()));
}

void Application::WaitForSessions(Clock::time_point deadline) {
  uint64_t open = node_.Sessions();
  if (open > 0 && Clock::now() < deadline) {
    shutdown_timer_.expires_after(kShutdownPoll);
    shutdown_timer_.async_wait([this, deadline](const boost::system::error_code&) { WaitForSessions(deadline); });
    return;
  }
  if (open > 0) log::Warn("server", "closing by force", {{"sessions", open}});
  EndControl();
}

void Application::EndControl() {
  // Blocks until running calls have ended, and those may need this loop's deadlines.
  control_shutdown_ = std::thread([this] {
    control_.Shutdown(kControlPatience);
    boost::asio::post(io_, [this] {
      log::Info("server", "stopped");
      admin_.Stop();
      io_.stop();
    });
  });
}

void Application::WatchClock() {
  std::chrono::nanoseconds ahead = WallAhead();
  std::chrono::nanoseconds jump = ahead - wall_ahead_;
  if (jump > kClockJump || jump < -kClockJump) {
    log::Warn("server", "the wall clock jumped; tokens are judged by the new time",
              {{"seconds", std::chrono::duration_cast<std::chrono::seconds>(jump).count()}});
  }
  wall_ahead_ = ahead;
  clock_timer_.expires_after(kClockInterval);
  clock_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) WatchClock();
  });
}

}  // namespace carillon::server
