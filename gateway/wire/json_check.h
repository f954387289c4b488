#pragma once

#include <string_view>

#include "gateway/base/status.h"

namespace carillon::wire {

// How deeply payloads and client frames may nest.
inline constexpr int kMaxJsonDepth = 32;

// Why `text` is not one JSON value (RFC 8259: strict, UTF-8), with the byte where it goes wrong; or OK. Builds nothing.
Status CheckJson(std::string_view text);

}  // namespace carillon::wire
