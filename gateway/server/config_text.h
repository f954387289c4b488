#pragma once

#include <string>

#include "carillon/v1/config.pb.h"

namespace carillon::server {

// The configuration as YAML that the loader reads, with "***" for each secret that is set. Pure.
std::string ToYaml(const v1::Config& config);

}  // namespace carillon::server
