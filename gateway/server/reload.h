#pragma once

#include "carillon/v1/config.pb.h"
#include "control/operations.h"
#include "gateway/base/status.h"

namespace carillon::server {

// What a configuration that was loaded again comes to.
struct Reloaded {
  v1::Config config;  // the one from the start, with what reloads taken from the new one
  control::Operations::Reloaded changes;
};

// INVALID_ARGUMENT, with a line for each problem, where the new settings do not fit those that need a restart. Pure.
StatusOr<Reloaded> Reload(const v1::Config& started, const v1::Config& current, const v1::Config& loaded);

}  // namespace carillon::server
