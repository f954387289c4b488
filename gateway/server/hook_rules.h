#pragma once

#include <functional>
#include <string>
#include <vector>

#include "carillon/v1/config.pb.h"
#include "gateway/hooks/backend.h"

namespace carillon::server {

// Calls `problem` with the path of each setting about backends that are asked that is wrong, and why: theirs, and those
// that name one. Pure.
void CheckHooks(const v1::Config& config,
                const std::function<void(const std::string& path, const std::string& message)>& problem);

// How they are asked. Reads the files of their TLS; `problem` as above.
std::vector<hooks::BackendRules> BackendsOf(
    const v1::Config& config, const std::function<void(const std::string& path, const std::string& message)>& problem);

}  // namespace carillon::server
