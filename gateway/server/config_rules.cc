#include "gateway/server/config_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>

#include "gateway/auth/origin.h"
#include "gateway/edge/client_address.h"
#include "gateway/edge/credentials.h"
#include "gateway/edge/listener.h"
#include "gateway/server/config_values.h"
#include "gateway/wire/topic.h"

namespace carillon::server {
namespace {

constexpr size_t kMinKeyBytes = 16;

// Each publish tries them in turn.
constexpr int kMaxStreamRules = 100;

using Problem = std::function<void(const std::string&, const std::string&)>;

bool IsLoopback(const std::string& listen) {
  auto endpoint = edge::ParseAddress(listen);
  return endpoint.ok() && endpoint->address().is_loopback();
}

void CheckAddress(const std::string& path, const std::string& listen, const Problem& problem) {
  if (auto endpoint = edge::ParseAddress(listen); !endpoint.ok()) problem(path, MessageOf(endpoint.status()));
}

void CheckPorts(const v1::Config& config, const Problem& problem) {
  std::set<std::string> taken;
  const std::pair<const char*, const std::string&> listens[] = {{"edge.listen", config.edge().listen()},
                                                                {"control.listen", config.control().listen()},
                                                                {"admin.listen", config.admin().listen()}};
  for (const auto& [path, listen] : listens) {
    if (listen.ends_with(":0")) continue;
    if (!taken.insert(listen).second) problem(path, fmt::format("{} is taken by another listener here", listen));
  }
}

// Segments of letters that mean themselves in a URL.
bool IsPath(std::string_view path) {
  auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("/._~-").find(c) != std::string_view::npos;
  };
  return path.size() > 1 && path.front() == '/' && path.back() != '/' && path.find("//") == std::string_view::npos &&
         std::all_of(path.begin(), path.end(), plain);
}

void CheckEndpoints(const v1::Config& config, const Problem& problem) {
  std::set<std::string> paths;
  bool tokens = !config.auth().hs256_secret().empty() || config.auth().keys_size() > 0;
  bool enabled = config.edge().endpoints().empty();
  bool anyone = enabled && tokens;
  for (int i = 0; i < config.edge().endpoints_size(); ++i) {
    const v1::Endpoint& endpoint = config.edge().endpoints(i);
    std::string at = fmt::format("edge.endpoints[{}]", i);
    const std::string& path = endpoint.path();
    if (!IsPath(path)) problem(at + ".path", "must look like /ws or /realtime/v1: words of [A-Za-z0-9._~-]");
    if (!paths.insert(path).second) problem(at + ".path", fmt::format("two endpoints have the path {}", path));
    if (endpoint.dialect() == v1::DIALECT_KIND_ECHO && !IsLoopback(config.edge().listen())) {
      problem(at + ".dialect", "echo is for conformance suites: only where edge.listen is on loopback");
    }
    auto interval = ToMilliseconds(endpoint.ping_interval());
    auto timeout = ToMilliseconds(endpoint.peer_timeout());
    if (interval.count() > 0 && timeout.count() > 0 && timeout <= interval) {
      problem(at + ".peer_timeout", "must be longer than ping_interval, or clients die between two pings");
    }
    bool echo = endpoint.dialect() == v1::DIALECT_KIND_ECHO;
    uint64_t message = echo ? endpoint.max_message_bytes() : config.limits().max_publish_bytes();
    if (endpoint.outbox_bytes() < message) {
      problem(at + ".outbox_bytes",
              fmt::format("is smaller than one message may be ({} bytes, by {})", message,
                          echo ? "max_message_bytes of this endpoint" : "limits.max_publish_bytes"));
    }
    enabled = enabled || endpoint.enabled();
    anyone = anyone || (endpoint.enabled() && (endpoint.anonymous() || tokens));
  }
  if (!enabled) {
    problem("edge.endpoints", "nobody can connect: none of them is enabled");
  } else if (!anyone) {
    problem("auth.hs256_secret",
            "nobody can connect: set it or auth.keys, so that tokens are accepted, or allow clients without one "
            "(edge.endpoints[].anonymous: true)");
  }
}

bool FitsAHeader(std::string_view text) {
  return !text.starts_with(' ') && !text.ends_with(' ') &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7F; });
}

void CheckControl(const v1::Config& config, const Problem& problem) {
  const v1::ControlConfig& control = config.control();
  bool local = control.listen().starts_with("unix:") || IsLoopback(control.listen());
  if (!control.listen().starts_with("unix:")) CheckAddress("control.listen", control.listen(), problem);
  if (control.listen() == "unix:") problem("control.listen", "unix: needs a path, such as unix:/run/carillon.sock");
  bool parses = local || edge::ParseAddress(control.listen()).ok();
  if (parses && !local && control.keys().empty() && !control.insecure()) {
    problem("control.listen",
            "is open to others, without keys: add control.keys, listen on loopback, or say control.insecure: true");
  }
  std::set<std::string> names;
  std::set<std::string> secrets;
  for (int i = 0; i < control.keys_size(); ++i) {
    std::string at = fmt::format("control.keys[{}]", i);
    const v1::ControlKey& key = control.keys(i);
    if (key.name().empty() || key.name().size() > 64) problem(at + ".name", "1 to 64 bytes are needed");
    if (!names.insert(key.name()).second) problem(at + ".name", "two keys have this name");
    if (key.secret().size() < kMinKeyBytes)
      problem(at + ".secret", fmt::format("at least {} bytes are needed", kMinKeyBytes));
    if (!FitsAHeader(key.secret())) {
      problem(at + ".secret", "must be printable ASCII without spaces around it: it is sent in a header");
    }
    if (!secrets.insert(key.secret()).second) problem(at + ".secret", "two keys have this secret");
  }
}

// Letters of stream names, and those that stand for others.
bool IsPattern(std::string_view pattern) {
  size_t open = pattern.find('[');
  bool closed = open == std::string_view::npos || pattern.find(']', open) != std::string_view::npos;
  return closed && pattern.size() <= wire::kMaxStreamBytes && std::all_of(pattern.begin(), pattern.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                  std::string_view("._:-*?[]!^").find(c) != std::string_view::npos;
         });
}

void CheckStreams(const v1::Config& config, const Problem& problem) {
  std::set<std::string> patterns;
  if (config.streams_size() > kMaxStreamRules) problem("streams", fmt::format("at most {} rules", kMaxStreamRules));
  for (int i = 0; i < config.streams_size(); ++i) {
    const std::string& pattern = config.streams(i).pattern();
    std::string at = fmt::format("streams[{}]", i);
    if (pattern.empty()) {
      problem(at + ".pattern", "is missing: a stream's name, or one with *, such as chat-*");
    } else if (!IsPattern(pattern)) {
      problem(at + ".pattern",
              "matches no stream: names hold letters, digits and . _ : -, and * ? [a-z] stand for them");
    } else if (!patterns.insert(pattern).second) {
      problem(at + ".pattern", "stands above already, which counts");
    }
    if (i > 0 && config.streams(i - 1).pattern() == "*") {
      problem(at + ".pattern", "never counts: * above it matches every stream");
    }
  }
}

}  // namespace

void CheckRules(const v1::Config& config, const Problem& problem) {
  CheckAddress("edge.listen", config.edge().listen(), problem);
  CheckAddress("admin.listen", config.admin().listen(), problem);
  CheckPorts(config, problem);
  CheckEndpoints(config, problem);
  CheckControl(config, problem);
  CheckStreams(config, problem);
  if (const std::string& cookie = config.auth().cookie(); !cookie.empty() && !edge::IsCookieName(cookie)) {
    problem("auth.cookie", "is not the name of a cookie");
  }
  const auto& origins = config.edge().allowed_origins();
  if (!config.auth().cookie().empty() && std::find(origins.begin(), origins.end(), "*") != origins.end()) {
    problem("auth.cookie", "with edge.allowed_origins: [\"*\"] every site could act as its visitors: name the origins");
  }
  for (int i = 0; i < config.edge().trusted_proxies_size(); ++i) {
    auto proxies = edge::TrustedProxies::Parse({config.edge().trusted_proxies(i)});
    if (!proxies.ok()) problem(fmt::format("edge.trusted_proxies[{}]", i), MessageOf(proxies.status()));
  }
  for (int i = 0; i < config.edge().allowed_origins_size(); ++i) {
    auto rules = auth::OriginRules::Parse({config.edge().allowed_origins(i)});
    if (!rules.ok()) problem(fmt::format("edge.allowed_origins[{}]", i), MessageOf(rules.status()));
  }
}

}  // namespace carillon::server
