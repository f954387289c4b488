#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "gateway/base/status.h"
#include "gateway/hooks/backend.h"
#include "gateway/wire/topic.h"

namespace carillon::control {

// What operators may ask of the process as a whole; implemented by server::Application, which outlives the calls.
// Called on any thread; `done` is called once, on any thread, and must not block.
class Operations {
 public:
  virtual ~Operations() = default;

  // A setting that is another than before; of secrets and groups only the path is told.
  struct SettingChange {
    std::string path;
    std::string from;
    std::string to;
  };
  struct Reloaded {
    std::vector<SettingChange> now;            // against what counted before
    std::vector<SettingChange> after_restart;  // against what the process was started with
  };

  // Loads the configuration again, all or nothing; `key` is whose call it was, for logs. FAILED_PRECONDITION, with a
  // line for each problem: everything stays as it was. UNAVAILABLE: the process ends. Calls that wait together are
  // answered by one loading.
  virtual void Reload(std::string key, absl::AnyInvocable<void(StatusOr<Reloaded>)> done) = 0;

  // What is drained: the gateway, an app or the endpoint at a path.
  struct DrainPlace {
    enum class Kind { kNode, kApp, kEndpoint };
    Kind kind = Kind::kNode;
    std::string name;  // of the app, or the path
    wire::AppId app = wire::kDefaultApp;

    friend bool operator==(const DrainPlace&, const DrainPlace&) = default;
  };
  struct DrainOrder {
    DrainPlace place;
    bool undo = false;
    bool exit = false;                                // of the gateway
    std::optional<std::chrono::milliseconds> window;  // nothing: as configured
    std::optional<std::chrono::milliseconds> delay;
    std::string by;  // whose order it is, for people
  };
  struct DrainStanding {
    DrainPlace place;
    bool draining = false;
    bool all_told = false;  // nobody is let in, and everybody has been told to go
    bool changed = false;   // by the order that this answers
    bool partial = false;   // a shard did not say how many sessions it has
    bool exit = false;
    uint64_t sessions = 0;  // that have not been told
    std::chrono::system_clock::time_point began;
    std::string by;
  };

  // Drains, or takes that back; what is so already stays as it is. NOT_FOUND: there is no such endpoint.
  // FAILED_PRECONDITION: the process ends, and that cannot be taken back.
  virtual void Drain(DrainOrder order, absl::AnyInvocable<void(StatusOr<DrainStanding>)> done) = 0;

  // What is drained, the gateway first.
  virtual void ListDrains(absl::AnyInvocable<void(std::vector<DrainStanding>)> done) = 0;

  // How the backends do that are asked, by name. Any thread.
  virtual std::vector<hooks::BackendState> ListBackends() = 0;

  // The settings that count, as YAML without secrets.
  virtual void DescribeConfig(absl::AnyInvocable<void(std::string)> done) = 0;
};

}  // namespace carillon::control
