#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <memory>
#include <mutex>
#include <string>

#include "control/event_feed.h"
#include "control/open_calls.h"
#include "control/operations.h"
#include "control/publisher.h"
#include "control/tail.h"
#include "gateway/auth/api_keys.h"
#include "gateway/auth/app.h"
#include "gateway/base/log.h"
#include "gateway/base/random.h"
#include "gateway/hub/node.h"

namespace grpc {
class Service;
}

namespace carillon::control {

// Calls that were turned away at the door: counted, and logged, sampled.
class Refusals {
 public:
  void Add(const Status& status, std::string_view key);
  void Collect(MetricsWriter& writer) const;

 private:
  SharedCounter unauthenticated_;
  SharedCounter permission_denied_;
  log::SamplerByReason sampler_;
};

// The calls that are being worked on: gRPC's own shutdown waits for idle connections as well. Any thread.
class RunningCalls {
 public:
  // Counts as one until the last copy is gone.
  std::shared_ptr<void> Begin();

  // True where none is left before the deadline.
  bool WaitForNone(std::chrono::steady_clock::time_point deadline);

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  size_t running_ = 0;
};

// Which gateway this is.
struct About {
  std::string version;
  std::string node_id = RandomHex(8);  // of this run
  std::time_t started = std::time(nullptr);
};

// What calls end with, and are refused with, once the gateway does.
inline constexpr char kShuttingDown[] = "the gateway is shutting down";

// What the services share. Outlives the gRPC server.
struct ControlContext {
  hub::Node& node;
  const auth::LiveApps& apps;
  auth::LiveApiKeys keys;
  Publisher publisher;
  EventFeed events;
  Refusals refusals;
  std::atomic<bool> stopping{false};
  std::atomic<bool> serving{true};  // what health says
  RunningCalls running;
  OpenCalls open_calls;
  Tails tails;
  Operations& operations;
  const About about;

  ControlContext(hub::Node& node, const auth::LiveApps& apps, auth::ApiKeys keys, size_t max_publish_bytes,
                 Operations& operations, About about)
      : node(node),
        apps(apps),
        keys(std::move(keys)),
        publisher(node, max_publish_bytes),
        operations(operations),
        about(std::move(about)) {}
};

// carillon.v1.ControlService. Each call checks its caller, checks its request, calls one verb of the hub and maps the
// status; none blocks. Thread: gRPC's.
std::unique_ptr<grpc::Service> MakeControlService(ControlContext& context);

}  // namespace carillon::control
