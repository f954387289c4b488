#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "gateway/edge/http_head.h"

// What a request shows of who its client is. Pure.
namespace carillon::edge {

struct Credentials {
  std::string token;  // empty: none
  bool from_cookie = false;
};

// The token, from wherever it came: the Authorization header, ?token= or ?access_token=; where there is none of these,
// the cookie of that name (empty: none), because browsers send their cookies whether they are meant or not. Two that
// differ are refused, but for a cookie: one of them was not meant.
std::variant<Credentials, HttpError> FindCredentials(const HttpRequest& request, std::string_view cookie);

// The first cookie of that name, or "".
std::string_view CookieNamed(const HttpRequest& request, std::string_view name);

// 401 with the challenge of RFC 6750.
HttpError Unauthorized(std::string message, bool had_token);

// Whether the text may be the name of a cookie (RFC 6265 section 4.1.1).
bool IsCookieName(std::string_view name);

}  // namespace carillon::edge
