#pragma once

#include <string>

#include "gateway/base/status.h"

namespace carillon::cli {

// All that a file holds; one that is no file on a disk (a pipe) will do. INVALID_ARGUMENT: why it cannot be read.
StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace carillon::cli
