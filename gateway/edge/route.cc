#include "gateway/edge/route.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"

namespace carillon::edge {
namespace {

constexpr std::string_view kAppPrefix = "/app/";

// "shop" of shop.rt.example.com:7310 under rt.example.com; nothing where the host is not under the domain.
std::optional<std::string> LabelOf(std::string_view host, std::string_view domain) {
  if (domain.empty()) return std::nullopt;
  std::string name = absl::AsciiStrToLower(std::string(host.substr(0, host.find(':'))));
  while (name.ends_with('.')) name.pop_back();
  if (name.size() <= domain.size() || !name.ends_with(domain)) return std::nullopt;
  size_t label = name.size() - domain.size() - 1;
  return name[label] == '.' ? std::optional(name.substr(0, label)) : std::nullopt;
}

}  // namespace

const EndpointRules* FindEndpoint(const std::vector<EndpointRules>& endpoints, std::string_view path,
                                  std::string* stream) {
  for (const EndpointRules& endpoint : endpoints) {
    if (path == endpoint.path) return &endpoint;
  }
  for (const EndpointRules& endpoint : endpoints) {
    if (!endpoint.session.dialect->receives_broadcasts() || !path.starts_with(endpoint.path)) continue;
    std::string_view rest = path.substr(endpoint.path.size());
    if (rest.size() < 2 || rest[0] != '/' || rest.find('/', 1) != std::string_view::npos) continue;
    *stream = rest.substr(1);
    return &endpoint;
  }
  return nullptr;
}

Route FindRoute(const std::vector<EndpointRules>& endpoints, const auth::Apps& apps, std::string_view domain,
                std::string_view path, std::string_view host) {
  Route route;
  route.endpoint = FindEndpoint(endpoints, path, &route.stream);
  if (route.endpoint == nullptr && path.starts_with(kAppPrefix)) {
    std::string_view rest = path.substr(kAppPrefix.size());
    size_t slash = std::min(rest.find('/'), rest.size());
    route.wanted = rest.substr(0, slash);
    route.app = apps.FindByKey(route.wanted);
    if (route.app == nullptr) return route;
    if (slash == rest.size()) {
      auto first = std::find_if(endpoints.begin(), endpoints.end(), [&](const EndpointRules& endpoint) {
        return endpoint.app.empty() || endpoint.app == route.app->name;
      });
      if (first != endpoints.end()) route.endpoint = &*first;
    } else {
      route.endpoint = FindEndpoint(endpoints, rest.substr(slash), &route.stream);
    }
    bool others = route.endpoint != nullptr && !route.endpoint->app.empty() && route.endpoint->app != route.app->name;
    if (others) route.endpoint = nullptr;
    return route;
  }
  if (route.endpoint == nullptr) return route;
  std::optional<std::string> named = route.endpoint->app.empty() ? LabelOf(host, domain) : route.endpoint->app;
  route.wanted = named.value_or("");
  route.app = named.has_value() ? apps.FindByName(*named) : &apps.Default();
  return route;
}

}  // namespace carillon::edge
