#pragma once

#include <functional>
#include <string>

#include "carillon/v1/config.pb.h"

namespace carillon::server {

// What no single setting can know: whether the settings fit together. Calls `problem` with the path of each one that
// does not, and why. Pure.
void CheckRules(const v1::Config& config,
                const std::function<void(const std::string& path, const std::string& message)>& problem);

}  // namespace carillon::server
