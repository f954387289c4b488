#pragma once

#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "gateway/base/status.h"

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
  // line for each problem: everything stays as it was.
  virtual void Reload(std::string key, absl::AnyInvocable<void(StatusOr<Reloaded>)> done) = 0;

  // The settings that count, as YAML without secrets.
  virtual void DescribeConfig(absl::AnyInvocable<void(std::string)> done) = 0;
};

}  // namespace carillon::control
