#include "gateway/server/application.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "gateway/base/log.h"
#include "gateway/engine/snapshot.h"
#include "gateway/hub/answers.h"
#include "gateway/server/build_options.h"
#include "gateway/server/config_text.h"
#include "gateway/server/config_values.h"
#include "gateway/server/reload.h"
#include "gateway/server/version.h"

namespace carillon::server {
namespace {

using Clock = std::chrono::steady_clock;

// A wall clock that jumps by more than this is worth a line: tokens live by it.
constexpr std::chrono::seconds kClockJump{5};

// By so much may a user stay longer than the grace.
constexpr std::chrono::milliseconds kSweepPresence{100};

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

Application::Application(const LoadedConfig& loaded, Load load)
    : config_(loaded.config),
      current_(config_),
      load_(std::move(load)),
      max_connections_(ConnectionLimit(config_.edge().max_connections())),
      memory_limit_(MemoryLimit(config_.limits().memory_bytes())),
      apps_(registry_.Build(loaded)),
      backends_(loaded.backends),
      node_(NodeOptionsOf(config_), io_),
      engine_(node_, EngineOptionsOf(config_, memory_limit_, *apps_.Get())),
      edge_(EdgeOptionsOf(config_, max_connections_, SocketLimit()), apps_, backends_, AdmissionRulesOf(config_), node_,
            loaded.tls),
      control_(ControlOptionsOf(config_), node_, apps_, *this),
      admin_(io_, node_, metrics_),
      ending_(io_, DrainOptionsOf(config_), edge_, control_, node_, engine_, [this](bool clean) { Stop(clean); }),
      drains_(io_, DrainOptionsOf(config_), admin_, edge_, control_, node_, engine_, ending_),
      memory_guard_(memory_limit_, edge_, node_) {}

// Those who wait for keys, or for backends, hold on to what stands below.
Application::~Application() {
  registry_.Stop();
  backends_.Stop();
}

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
    engine_.Collect(writer);
    edge_.Collect(writer);
    control_.Collect(writer);
    drains_.Collect(writer);
    memory_guard_.Collect(writer);
    registry_.Collect(writer);
    backends_.Collect(writer);
  });
  RETURN_IF_ERROR(admin_.Open(config_.admin().listen()));
  RETURN_IF_ERROR(edge_.Open());
  RETURN_IF_ERROR(LoadSnapshot());
  node_.Start(engine_);  // before any call can come
  const std::string& snapshot = config_.engine().memory().snapshot();
  std::string taken = engine::TakenSnapshot(snapshot);
  if (Status status = control_.Start(); !status.ok()) {
    if (!snapshot.empty()) ::rename(taken.c_str(), snapshot.c_str());  // for whoever does come to life
    return status;
  }
  if (!snapshot.empty()) ::unlink(taken.c_str());
  edge_.Start();
  admin_.Start();
  admin_.SetReady(true);
  wall_ahead_ = WallAhead();
  EverySecond();
  SweepPresence();
  log::Info("server", "ready",
            {{"version", kVersion},
             {"edge", edge_.address()},
             {"control", control_.address()},
             {"admin", admin_.address()},
             {"shards", node_.shards()},
             {"max_connections", max_connections_},
             {"engine", "memory"},
             {"control_keys", config_.control().keys_size()},
             {"apps", apps_.Get()->all().size()},
             {"token_keys", TokenKeys()}});
  if (size_t cut = LogBytesOf(config_, memory_limit_); cut < config_.engine().memory().log_bytes()) {
    log::Warn("server", "engine.memory.log_bytes is cut to half of what the process may have",
              {{"wanted", config_.engine().memory().log_bytes()}, {"allowed", cut}, {"memory_bytes", memory_limit_}});
  }
  if (config_.edge().max_connections() > max_connections_) {
    log::Warn("server", "edge.max_connections is cut to what the limit on open files allows; raise ulimit -n",
              {{"wanted", config_.edge().max_connections()}, {"allowed", max_connections_}});
  }
  return absl::OkStatus();
}

bool Application::Run() {
  signals_.Start();
  auto work = boost::asio::make_work_guard(io_);
  io_.run();
  node_.Stop();
  return ending_.kept_logs();
}

// Everything that was to be kept is.
void Application::Stop(bool clean) {
  if (!clean) {
    log::Warn("server", "a caller's connection takes nothing, not even the end: it is cut");
    log::Info("server", "stopped");
    log::Stop();
    std::_Exit(ending_.kept_logs() ? 0 : 1);
  }
  log::Info("server", "stopped");
  admin_.Stop();
  io_.stop();
}

// All or nothing. Files of keys are read again even where no setting has changed.
StatusOr<control::Operations::Reloaded> Application::LoadAgain(std::string_view why) {
  auto loaded = load_();
  auto reloaded =
      loaded.ok() ? server::Reload(config_, current_, loaded->config) : StatusOr<server::Reloaded>(loaded.status());
  if (reloaded.ok()) {
    if (Status room = registry_.CheckRoom(reloaded->config); !room.ok()) reloaded = room;
  }
  if (!reloaded.ok()) {
    std::istringstream problems(MessageOf(reloaded.status()));
    for (std::string line; std::getline(problems, line);) {
      log::Error("server", fmt::format("{}: the configuration is refused, and everything stays as it was", why),
                 {{"why", line}});
    }
    return FailedPrecondition("{}", MessageOf(reloaded.status()));
  }
  current_ = std::move(reloaded->config);
  loaded->config = current_;
  backends_.Set(loaded->backends);  // before anybody is told to ask a new one
  auth::Apps apps = registry_.Build(*loaded);
  engine_.SetRules(StreamRulesOf(current_, apps));  // before anybody gets to a new app
  apps_.Set(std::move(apps));
  edge_.SetRules(AdmissionRulesOf(current_));
  edge_.SetTls(loaded->tls);
  // Walks over every subscription; certificates are renewed this way as well.
  bool other_rules = std::any_of(reloaded->changes.now.begin(), reloaded->changes.now.end(),
                                 [](const control::Operations::SettingChange& change) {
                                   return change.path.starts_with("streams") || change.path.starts_with("apps");
                                 });
  if (other_rules) node_.Tell(node_.all_shards(), [](hub::Shard& shard) { shard.EnterAll(); });
  for (wire::AppId app : registry_.gone()) {
    CloseApp(app);
    drains_.Forget(app);
  }
  edge_.SetLimits(ConnectionLimitsOf(current_));
  control_.SetKeys(ApiKeysOf(current_));
  log::SetLevel(LogLevelOf(current_));
  for (const control::Operations::SettingChange& change : reloaded->changes.now) {
    log::Info("server", "a setting has changed", {{"setting", change.path}, {"from", change.from}, {"to", change.to}});
  }
  for (const control::Operations::SettingChange& change : reloaded->changes.after_restart) {
    log::Warn("server", "a setting has changed that needs a restart",
              {{"setting", change.path}, {"from", change.from}, {"to", change.to}});
  }
  log::Info("server", fmt::format("{}: loaded the configuration", why),
            {{"changed", reloaded->changes.now.size()},
             {"need_restart", reloaded->changes.after_restart.size()},
             {"apps", apps_.Get()->all().size()},
             {"token_keys", TokenKeys()},
             {"control_keys", current_.control().keys_size()}});
  return std::move(reloaded->changes);
}

void Application::Reload(std::string key, absl::AnyInvocable<void(StatusOr<Reloaded>)> done) {
  std::unique_lock lock(reloads_mutex_);
  reloads_.push_back({std::move(key), std::move(done)});
  if (reloads_.size() > 1) return;
  lock.unlock();
  boost::asio::post(io_, [this] { LoadForCalls(); });
}

// What came before the loading began is answered by it.
void Application::LoadForCalls() {
  std::unique_lock lock(reloads_mutex_);
  std::vector<WaitingReload> waiting = std::exchange(reloads_, {});
  lock.unlock();
  std::string keys;
  for (const WaitingReload& each : waiting) {
    if (!each.key.empty() && keys.find(each.key) == std::string::npos) keys += (keys.empty() ? "" : ", ") + each.key;
  }
  StatusOr<Reloaded> reloaded = drains_.ending()
                                    ? StatusOr<Reloaded>(absl::UnavailableError(control::kShuttingDown))
                                    : LoadAgain(keys.empty() ? "Reload" : fmt::format("Reload by {}", keys));
  for (WaitingReload& each : waiting) each.done(reloaded);
}

void Application::Drain(DrainOrder order, absl::AnyInvocable<void(StatusOr<DrainStanding>)> done) {
  boost::asio::post(io_, [this, order = std::move(order), done = std::move(done)]() mutable {
    bool app_is_gone = order.place.kind == DrainPlace::Kind::kApp && apps_.Get()->Find(order.place.app) == nullptr;
    if (app_is_gone) return done(absl::NotFoundError("app_name: this app is gone"));
    drains_.Handle(std::move(order), std::move(done));
  });
}

void Application::ListDrains(absl::AnyInvocable<void(std::vector<DrainStanding>)> done) {
  drains_.List(std::move(done));
}

void Application::DescribeConfig(absl::AnyInvocable<void(std::string)> done) {
  boost::asio::post(io_, [this, done = std::move(done)]() mutable { done(ToYaml(current_)); });
}

// Who is being admitted by the rules from before is judged once more where the session begins (CommandHandler::Begin),
// on its shard, and so either is there when that is asked or finds its app gone.
void Application::CloseApp(wire::AppId app) {
  node_.Ask(
      node_.all_shards(),
      [app](hub::Shard& shard) { return hub::CloseApp(shard, app, wire::CloseCode::kForbidden, "this app is gone"); },
      [](const Gather<uint32_t>::Result& result) {
        uint32_t total = 0;
        for (uint32_t count : result.answers) total += count;
        log::Info("server", "closed the sessions of an app that is gone", {{"sessions", total}});
      });
}

size_t Application::TokenKeys() const {
  size_t keys = 0;
  std::shared_ptr<const auth::Apps> apps = apps_.Get();
  for (const auth::App& app : apps->all()) keys += app.tokens->rules()->keys.keys().size();
  return keys;
}

// A hook may send SIGUSR1 and the service manager SIGTERM after it: together they are one request to drain.
void Application::OnSignal(int number) {
  if (number == SIGHUP) return LoadAgain("SIGHUP").status().IgnoreError();
  bool asked_before = number == SIGUSR1 ? false : std::exchange(told_to_end_, true);
  if (asked_before) {
    log::Warn("server", "a second signal: ending at once");
    log::Stop();
    std::_Exit(1);
  }
  if (std::exchange(signalled_, true)) return log::Info("server", "draining already");
  drains_.EndBySignal(number == SIGTERM ? "SIGTERM" : number == SIGINT ? "SIGINT" : "SIGUSR1");
}

// Whatever is wrong with the file, the gateway starts: with new epochs, so that clients know.
Status Application::LoadSnapshot() {
  const std::string& file = config_.engine().memory().snapshot();
  if (file.empty()) return absl::OkStatus();
  std::string folder = std::filesystem::absolute(file).parent_path();
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    return FailedPrecondition("engine.memory.snapshot: cannot write to the folder {}: {}", folder,
                              std::strerror(errno));
  }
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored) && !std::filesystem::is_regular_file(file, ignored)) {
    return FailedPrecondition("engine.memory.snapshot: {} is no file", file);
  }
  auto loaded = engine_.LoadSnapshot(file);
  if (loaded.ok()) {
    log::Info("server", "took the logs from the snapshot",
              {{"file", file}, {"logs", loaded->logs}, {"messages", loaded->messages}, {"left_out", loaded->left_out}});
    return absl::OkStatus();
  }
  if (loaded.status().code() == absl::StatusCode::kNotFound) {
    log::Info("server", "no snapshot to take the logs from", {{"file", file}});
    return absl::OkStatus();
  }
  bool ours = loaded.status().code() == absl::StatusCode::kDataLoss;
  if (!ours) ending_.KeepSnapshotAway();
  log::Error("server", "the snapshot is refused: logs begin anew, and clients will be told that they missed something",
             {{"file", file},
              {"why", fmt::format("it {}", MessageOf(loaded.status()))},
              {"next", ours ? "the next drain replaces it" : "it is left as it is: no snapshot will be written"}});
  return absl::OkStatus();
}

void Application::EverySecond() {
  WatchClock();
  engine_.Sweep();
  registry_.Sweep(std::chrono::system_clock::now());
  memory_guard_.Look();
  edge_.LookAtLimits();
  every_second_.expires_after(std::chrono::seconds(1));
  every_second_.async_wait([this](const boost::system::error_code& error) {
    if (!error) EverySecond();
  });
}

void Application::SweepPresence() {
  engine_.SweepPresence();
  sweep_.expires_after(kSweepPresence);
  sweep_.async_wait([this](const boost::system::error_code& error) {
    if (!error) SweepPresence();
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
}

}  // namespace carillon::server
