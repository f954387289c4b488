#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/base/status.h"

namespace carillon::auth {

// The JSON object that a token's part holds; `what` names the part in the refusal. UNAUTHENTICATED where it is not
// canonical base64url, not a JSON object, or names a member twice (RFC 7515 section 4, RFC 7519 section 4).
StatusOr<boost::json::object> ParseTokenPart(std::string_view part, std::string_view what);

// The same of text that is decoded already.
StatusOr<boost::json::object> ParseTokenText(std::string_view text, std::string_view what);

// A text by its name; nothing where there is none, or something else.
std::optional<std::string> TextClaim(const boost::json::object& claims, std::string_view name);

}  // namespace carillon::auth
