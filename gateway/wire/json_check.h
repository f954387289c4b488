#pragma once

#include <string_view>

#include "gateway/base/status.h"

namespace carillon::wire {

// How deeply payloads and client frames may nest.
inline constexpr int kMaxJsonDepth = 32;

// Why `text` is not one JSON value (RFC 8259: strict, UTF-8), with the byte where it goes wrong; or OK. Builds nothing.
Status CheckJson(std::string_view text);

// The same, and each object names a member once: what a reader makes of a second one is anybody's guess (RFC 8259
// section 4), which matters where two readers must agree, as with tokens.
Status CheckUniqueMembers(std::string_view text);

}  // namespace carillon::wire
