#include "gateway/auth/origin.h"

#include <algorithm>
#include <boost/url.hpp>
#include <charconv>
#include <optional>

namespace carillon::auth {
namespace {

struct Parts {
  std::string scheme;
  std::string host;
  uint16_t port;
};

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

uint16_t DefaultPort(std::string_view scheme) {
  if (scheme == "http" || scheme == "ws") return 80;
  if (scheme == "https" || scheme == "wss") return 443;
  return 0;
}

// scheme://host[:port] and nothing else.
std::optional<Parts> ParseOrigin(std::string_view text) {
  auto parsed = boost::urls::parse_uri({text.data(), text.size()});
  if (!parsed.has_value()) return std::nullopt;
  const boost::urls::url_view& url = *parsed;
  if (url.encoded_host().empty() || url.has_userinfo() || !url.encoded_path().empty() || url.has_query() ||
      url.has_fragment()) {
    return std::nullopt;
  }
  Parts parts;
  auto scheme = url.scheme();
  parts.scheme = Lower({scheme.data(), scheme.size()});
  auto host = url.encoded_host();
  parts.host = Lower({host.data(), host.size()});
  if (parts.host.find('*') != std::string::npos) return std::nullopt;
  parts.port = DefaultPort(parts.scheme);
  if (auto port = url.port(); !port.empty()) {
    auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), parts.port);
    if (error != std::errc() || end != port.data() + port.size()) return std::nullopt;
  }
  if (parts.port == 0) return std::nullopt;
  return parts;
}

}  // namespace

bool IsLoopbackHost(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost" || host == "::1") return true;
  auto address = boost::urls::parse_ipv4_address({host.data(), host.size()});
  return address.has_value() && address->is_loopback();
}

StatusOr<OriginRules> OriginRules::Parse(const std::vector<std::string>& allowed) {
  OriginRules rules;
  for (const std::string& entry : allowed) {
    if (entry == "*") {
      rules.all_ = true;
    } else if (entry.starts_with("*.") && entry.size() > 2 && entry.find_first_of("/*:", 1) == std::string::npos) {
      rules.suffixes_.push_back(Lower(entry.substr(1)));
    } else if (std::optional<Parts> parts = ParseOrigin(entry)) {
      rules.exact_.push_back({parts->scheme, parts->host, parts->port});
    } else {
      return InvalidArgument("\"{}\" is no origin: write https://app.example.com, *.example.com, or * for everyone",
                             entry);
    }
  }
  return rules;
}

bool OriginRules::Allows(std::string_view origin, std::string_view host) const {
  if (origin.empty() || all_) return true;
  std::optional<Parts> parts = ParseOrigin(origin);
  if (!parts.has_value()) return false;  // "null" among others
  if (IsLoopbackHost(parts->host)) return true;

  // The gateway's own host: behind a proxy that ends TLS the page is https and we are not, so the scheme only says
  // which port a Host header without one means.
  if (std::optional<Parts> own = ParseOrigin(parts->scheme + "://" + std::string(host));
      own.has_value() && own->host == parts->host && own->port == parts->port) {
    return true;
  }
  for (const Exact& exact : exact_) {
    if (exact.scheme == parts->scheme && exact.host == parts->host && exact.port == parts->port) return true;
  }
  bool usual_port = parts->port == DefaultPort(parts->scheme);
  return usual_port && std::any_of(suffixes_.begin(), suffixes_.end(), [&](const std::string& suffix) {
           return parts->host.size() > suffix.size() && parts->host.ends_with(suffix);
         });
}

}  // namespace carillon::auth
