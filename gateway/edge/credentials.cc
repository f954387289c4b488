#include "gateway/edge/credentials.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace carillon::edge {
namespace {

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

// Of several, browsers send the one of the longest path first (RFC 6265 section 5.4).
std::string_view CookieNamed(const HttpRequest& request, std::string_view name) {
  for (const auto& [header, value] : request.headers) {
    if (header != "cookie") continue;
    for (std::string_view rest = value; !rest.empty();) {
      size_t end = std::min(rest.find(';'), rest.size());
      std::string_view pair = Trim(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      size_t equals = pair.find('=');
      if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
      std::string_view found = pair.substr(equals + 1);
      if (found.size() >= 2 && found.front() == '"' && found.back() == '"') found = found.substr(1, found.size() - 2);
      return found;
    }
  }
  return {};
}

HttpError Unauthorized(std::string message, bool had_token) {
  return {401,
          had_token ? "invalid_token" : "missing_token",
          std::move(message),
          had_token ? "auth" : "edge.endpoints[].anonymous",
          {{"WWW-Authenticate", had_token ? "Bearer error=\"invalid_token\"" : "Bearer"}}};
}

std::variant<Credentials, HttpError> FindCredentials(const HttpRequest& request, std::string_view cookie) {
  std::vector<std::string> tokens;
  std::string_view header = request.Header("authorization");
  constexpr std::string_view kScheme = "bearer ";
  if (!header.empty()) {
    std::string scheme(header.substr(0, kScheme.size()));
    std::transform(scheme.begin(), scheme.end(), scheme.begin(), [](unsigned char c) { return std::tolower(c); });
    if (scheme != kScheme) return Unauthorized("the Authorization header is not of the form: Bearer TOKEN", true);
    tokens.emplace_back(header.substr(kScheme.size()));
  }
  for (const auto& [name, value] : request.query) {
    if ((name == "token" || name == "access_token") && !value.empty()) tokens.push_back(value);
  }
  for (const std::string& token : tokens) {
    if (token != tokens.front()) return HttpError{400, "ambiguous_auth", "two different tokens came at once", "", {}};
  }
  if (!tokens.empty()) return Credentials{std::move(tokens.front()), false};
  std::string_view of_cookie = cookie.empty() ? std::string_view() : CookieNamed(request, cookie);
  return Credentials{std::string(of_cookie), !of_cookie.empty()};
}

bool IsCookieName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return c > ' ' && c < 0x7F && std::string_view("()<>@,;:\\\"/[]?={}").find(c) == std::string_view::npos;
  });
}

}  // namespace carillon::edge
