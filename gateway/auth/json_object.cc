#include "gateway/auth/json_object.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "gateway/auth/base64url.h"
#include "gateway/wire/json_check.h"

namespace carillon::auth {

namespace json = boost::json;

StatusOr<json::object> ParseTokenPart(std::string_view part, std::string_view what) {
  std::optional<std::string> text = DecodeBase64Url(part);
  if (!text.has_value()) return absl::UnauthenticatedError(fmt::format("the token's {} is not base64url", what));
  return ParseTokenText(*text, what);
}

StatusOr<json::object> ParseTokenText(std::string_view text, std::string_view what) {
  if (!wire::CheckJson(text).ok()) {
    return absl::UnauthenticatedError(fmt::format("the token's {} is not a JSON object", what));
  }
  if (!wire::CheckUniqueMembers(text).ok()) {
    return absl::UnauthenticatedError(fmt::format("the token's {} names a member twice", what));
  }
  json::value value = json::parse({text.data(), text.size()});
  if (!value.is_object()) {
    return absl::UnauthenticatedError(fmt::format("the token's {} is not a JSON object", what));
  }
  return std::move(value.get_object());
}

std::optional<std::string> TextClaim(const json::object& claims, std::string_view name) {
  const json::value* value = claims.if_contains({name.data(), name.size()});
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

}  // namespace carillon::auth
