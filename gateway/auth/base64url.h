#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace carillon::auth {

// Base64url without padding (RFC 7515 section 2).
std::string EncodeBase64Url(std::string_view bytes);

// The strict counterpart: each value has one text, so what does not come back the same is refused (padding, white
// space, bits that belong to no byte).
std::optional<std::string> DecodeBase64Url(std::string_view text);

}  // namespace carillon::auth
