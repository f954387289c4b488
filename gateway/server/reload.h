#pragma once

#include <string>
#include <vector>

#include "carillon/v1/config.pb.h"
#include "gateway/base/status.h"

namespace carillon::server {

// A setting that is another than before. Of secrets and groups only the path is told.
struct SettingChange {
  std::string path;
  std::string from;
  std::string to;
};

// What a configuration that was loaded again comes to.
struct Reloaded {
  v1::Config config;                         // the one from the start, with what reloads taken from the new one
  std::vector<SettingChange> now;            // against what counted before
  std::vector<SettingChange> after_restart;  // against what the process was started with
};

// INVALID_ARGUMENT, with a line for each problem, where the new settings do not fit those that need a restart. Pure.
StatusOr<Reloaded> Reload(const v1::Config& started, const v1::Config& current, const v1::Config& loaded);

}  // namespace carillon::server
