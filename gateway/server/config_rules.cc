#include "gateway/server/config_rules.h"

#include <fmt/format.h>

#include <set>

#include "gateway/auth/origin.h"
#include "gateway/edge/listener.h"
#include "gateway/server/config_values.h"

namespace carillon::server {
namespace {

constexpr size_t kMinSecretBytes = 32;  // RFC 7518 section 3.2: as long as the hash
constexpr size_t kMinKeyBytes = 16;

using Problem = std::function<void(const std::string&, const std::string&)>;

bool IsLoopback(const std::string& listen) {
  auto endpoint = edge::ParseAddress(listen);
  return endpoint.ok() && endpoint->address().is_loopback();
}

void CheckAddress(const std::string& path, const std::string& listen, const Problem& problem) {
  if (auto endpoint = edge::ParseAddress(listen); !endpoint.ok()) problem(path, MessageOf(endpoint.status()));
}

void CheckEndpoints(const v1::Config& config, const Problem& problem) {
  std::set<std::string> paths;
  bool anyone = config.edge().endpoints().empty() && !config.auth().hs256_secret().empty();
  for (int i = 0; i < config.edge().endpoints_size(); ++i) {
    const v1::Endpoint& endpoint = config.edge().endpoints(i);
    std::string at = fmt::format("edge.endpoints[{}]", i);
    const std::string& path = endpoint.path();
    if (!path.starts_with('/') || path.size() < 2 || path.ends_with('/')) {
      problem(at + ".path", "must begin with / and not end with it");
    }
    if (!paths.insert(path).second) problem(at + ".path", fmt::format("two endpoints have the path {}", path));
    if (endpoint.dialect() == v1::DIALECT_KIND_ECHO && !IsLoopback(config.edge().listen())) {
      problem(at + ".dialect", "echo is for conformance suites: only where edge.listen is on loopback");
    }
    auto interval = ToMilliseconds(endpoint.ping_interval());
    auto timeout = ToMilliseconds(endpoint.peer_timeout());
    if (interval.count() > 0 && timeout.count() > 0 && timeout <= interval) {
      problem(at + ".peer_timeout", "must be longer than ping_interval, or clients die between two pings");
    }
    if (endpoint.outbox_bytes() < config.limits().max_publish_bytes() &&
        endpoint.outbox_bytes() < endpoint.max_message_bytes()) {
      problem(at + ".outbox_bytes", "is smaller than one message may be");
    }
    anyone = anyone || (endpoint.enabled() && (endpoint.anonymous() || !config.auth().hs256_secret().empty()));
  }
  if (!anyone) {
    problem("auth.hs256_secret",
            "nobody can connect: set it, so that tokens are accepted, or allow clients without one "
            "(edge.endpoints[].anonymous: true)");
  }
}

void CheckControl(const v1::Config& config, const Problem& problem) {
  const v1::ControlConfig& control = config.control();
  bool local = control.listen().starts_with("unix:") || IsLoopback(control.listen());
  if (!control.listen().starts_with("unix:")) CheckAddress("control.listen", control.listen(), problem);
  if (!local && control.keys().empty() && !control.insecure()) {
    problem("control.listen",
            "is open to others, without keys: add control.keys, listen on loopback, or say control.insecure: true");
  }
  std::set<std::string> names;
  for (int i = 0; i < control.keys_size(); ++i) {
    std::string at = fmt::format("control.keys[{}]", i);
    const v1::ControlKey& key = control.keys(i);
    if (key.name().empty() || key.name().size() > 64) problem(at + ".name", "1 to 64 bytes are needed");
    if (!names.insert(key.name()).second) problem(at + ".name", "two keys have this name");
    if (key.secret().size() < kMinKeyBytes)
      problem(at + ".secret", fmt::format("at least {} bytes are needed", kMinKeyBytes));
  }
}

}  // namespace

void CheckRules(const v1::Config& config, const Problem& problem) {
  CheckAddress("edge.listen", config.edge().listen(), problem);
  CheckAddress("admin.listen", config.admin().listen(), problem);
  CheckEndpoints(config, problem);
  CheckControl(config, problem);
  const std::string& secret = config.auth().hs256_secret();
  if (!secret.empty() && secret.size() < kMinSecretBytes) {
    problem("auth.hs256_secret",
            fmt::format("at least {} bytes are needed; try: openssl rand -hex 32", kMinSecretBytes));
  }
  for (int i = 0; i < config.edge().allowed_origins_size(); ++i) {
    auto rules = auth::OriginRules::Parse({config.edge().allowed_origins(i)});
    if (!rules.ok()) problem(fmt::format("edge.allowed_origins[{}]", i), MessageOf(rules.status()));
  }
}

}  // namespace carillon::server
