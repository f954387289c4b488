#pragma once

#include <functional>
#include <string>

#include "carillon/v1/config.pb.h"
#include "gateway/schema/registry.h"

namespace carillon::server {

// Typed events of one app. Reads the files of sets; calls `problem` with the path of each setting that is wrong, and
// why; the result is then of no use.
schema::Configured SchemasOf(const v1::SchemasConfig& config, const v1::LimitsConfig& limits, bool fold_names,
                             const std::function<void(const std::string& path, const std::string& message)>& problem);

schema::Limits SchemaLimitsOf(const v1::LimitsConfig& limits);

}  // namespace carillon::server
