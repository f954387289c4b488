#pragma once

#include <string_view>

namespace carillon::server {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace carillon::server
