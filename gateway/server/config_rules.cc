#include "gateway/server/config_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>

#include "gateway/auth/catalogue.h"
#include "gateway/auth/origin.h"
#include "gateway/edge/client_address.h"
#include "gateway/edge/credentials.h"
#include "gateway/edge/listener.h"
#include "gateway/server/config_values.h"
#include "gateway/server/hook_rules.h"
#include "gateway/wire/filter.h"
#include "gateway/wire/name_pattern.h"
#include "gateway/wire/topic.h"

namespace carillon::server {
namespace {

constexpr size_t kMinKeyBytes = 16;

// Each publish tries them in turn.
constexpr int kMaxStreamRules = 100;

constexpr int kMaxClientEvents = 100;

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
  auto has_keys = [](const v1::AuthConfig& auth) {
    return !auth.hs256_secret().empty() || auth.keys_size() > 0 || !auth.hook().backend().empty();
  };
  bool tokens = has_keys(config.auth()) || std::any_of(config.apps().begin(), config.apps().end(),
                                                       [&](const auto& app) { return has_keys(app.auth()); });
  bool enabled = config.edge().endpoints().empty();
  bool anyone = enabled && tokens;
  for (int i = 0; i < config.edge().endpoints_size(); ++i) {
    const v1::Endpoint& endpoint = config.edge().endpoints(i);
    std::string at = fmt::format("edge.endpoints[{}]", i);
    const std::string& path = endpoint.path();
    if (!IsPath(path)) problem(at + ".path", "must look like /ws or /realtime/v1: words of [A-Za-z0-9._~-]");
    if (path == "/app" || path.starts_with("/app/"))
      problem(at + ".path", "/app/ is where apps are: take another path");
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
  bool named =
      !control.tls().client_ca_file().empty() || (!control.tls().cert_file().empty() && !control.keys().empty());
  if (parses && !local && !named && !control.insecure()) {
    problem(
        "control.listen",
        "is open to others: add control.tls and control.keys (or control.tls.client_ca_file), listen on loopback, or "
        "say control.insecure: true");
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

// {user} and {label} of owners and filters.
void CheckTemplate(const std::string& at, const std::string& pattern, const Problem& problem) {
  if (std::string why = auth::PatternProblem(pattern); !why.empty()) {
    problem(at, why);
  } else if (pattern.find('{') == std::string::npos) {
    problem(at, "is the same for everybody: name what differs, such as {user} or {workspace}");
  } else if (std::count(pattern.begin(), pattern.end(), '{') > 1) {
    problem(at, "names two things: a-b and c would own what a and b-c own; take one label that holds both");
  }
}

template <class Rule>  // SubscribeRule or PublishRule
void CheckWho(const Rule& rule, const std::string& at, const Problem& problem) {
  for (int i = 0; i < rule.owners_size(); ++i) {
    CheckTemplate(fmt::format("{}.owners[{}]", at, i), rule.owners(i), problem);
  }
  for (int i = 0; i < rule.roles_size(); ++i) {
    if (rule.roles(i).empty()) problem(fmt::format("{}.roles[{}]", at, i), "is empty");
  }
  bool more = rule.roles_size() > 0 || rule.owners_size() > 0;
  if (rule.who() == v1::STREAM_ACCESS_NOBODY && more) {
    problem(at + ".who", "is nobody: roles and owners never count");
  } else if ((rule.who() == v1::STREAM_ACCESS_ANYONE || rule.who() == v1::STREAM_ACCESS_IDENTIFIED) && more) {
    problem(at + ".who", "admits those with roles and owners as well: leave one of them out");
  }
}

// What may be annotated, and by others than the gateway.
bool IsMetaKey(std::string_view key) {
  constexpr std::string_view kOwn[] = {"id", "ts", "offset", "epoch", "log", "from"};
  return !key.empty() && key.size() <= 64 && std::find(std::begin(kOwn), std::end(kOwn), key) == std::end(kOwn) &&
         std::all_of(key.begin(), key.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
         });
}

constexpr char kBadRate[] = "must look like 5/5s or 100/1m: how many in how long, at most a day";

// What of a template is the same for everybody.
std::string WithoutLabels(const std::string& pattern) {
  std::string text;
  bool label = false;
  for (char c : pattern) {
    label = c == '{' || (label && c != '}');
    if (!label) text += c;
  }
  return text;
}

template <class Rule>  // ClientEvent or EventRule
void CheckEvent(const Rule& rule, const std::string& at, const Problem& problem) {
  size_t star = rule.event().find('*');
  if (rule.event().empty() || (star != std::string::npos && star + 1 < rule.event().size())) {
    problem(at + ".event", "needs a name, or the beginning of names and a * at its end");
  }
  if (!rule.rate().empty() && !auth::Rate::Parse(rule.rate()).has_value()) problem(at + ".rate", kBadRate);
}

void CheckAccess(const v1::StreamRule& rule, const std::string& at, const Problem& problem) {
  CheckWho(rule.subscribe(), at + ".subscribe", problem);
  CheckWho(rule.publish(), at + ".publish", problem);
  const auto& filter = rule.subscribe().filter();
  if (static_cast<size_t>(filter.size()) > wire::Filter::kMaxMeta) {
    problem(at + ".subscribe.filter", fmt::format("at most {} annotations", wire::Filter::kMaxMeta));
  }
  std::set<std::string> keys;
  for (int i = 0; i < filter.size(); ++i) {
    std::string here = fmt::format("{}.subscribe.filter[{}]", at, i);
    const std::string& key = filter[i].key();
    if (!IsMetaKey(key) || !keys.insert(key).second) {
      problem(here + ".key",
              "needs the key of an annotation (1 to 64 of [A-Za-z0-9._-], none of the gateway's own), once");
    }
    std::string why = auth::PatternProblem(filter[i].value());
    if (!why.empty() || filter[i].value().empty()) problem(here + ".value", why.empty() ? "is missing" : why);
  }
  if (rule.presence().mode() == v1::PRESENCE_MODE_ON && !filter.empty()) {
    problem(at + ".presence.mode", "cannot be on beside subscribe.filter: members would see those who are filtered");
  }
  if (!rule.presence().updates().empty() && !auth::Rate::Parse(rule.presence().updates()).has_value()) {
    problem(at + ".presence.updates", kBadRate);
  }
  if (rule.publish().events_size() > kMaxClientEvents) {
    problem(at + ".publish.events", fmt::format("at most {}", kMaxClientEvents));
  }
  for (int i = 0; i < rule.publish().events_size(); ++i) {
    CheckEvent(rule.publish().events(i), fmt::format("{}.publish.events[{}]", at, i), problem);
  }
}

void CheckClientEvents(const google::protobuf::RepeatedPtrField<v1::EventRule>& rules, bool fold_names,
                       const std::string& prefix, const Problem& problem) {
  if (rules.size() > kMaxClientEvents) {
    problem(prefix + "client_events", fmt::format("at most {}", kMaxClientEvents));
  }
  std::set<std::string> events;
  for (int i = 0; i < rules.size(); ++i) {
    const v1::EventRule& rule = rules[i];
    std::string at = fmt::format("{}client_events[{}]", prefix, i);
    CheckEvent(rule, at, problem);
    if (!events.insert(rule.event()).second) problem(at + ".event", "stands above already, which counts");
    if (i > 0 && rules[i - 1].event() == "*") problem(at + ".event", "never counts: * above it is for every event");
    bool streamed = rule.action() == v1::EVENT_ACTION_PUBLISH || rule.action() == v1::EVENT_ACTION_SUBSCRIBE ||
                    rule.action() == v1::EVENT_ACTION_UNSUBSCRIBE;
    if (streamed && rule.stream().empty()) problem(at + ".stream", "is missing: which stream is meant");
    if (!streamed && !rule.stream().empty()) {
      problem(at + ".stream", "goes with publish, subscribe and unsubscribe only");
    }
    if (std::string why = auth::PatternProblem(rule.stream()); !why.empty()) problem(at + ".stream", why);
    if (fold_names && wire::HasCapitals(WithoutLabels(rule.stream()))) {
      problem(at + ".stream", fmt::format("has capitals: with {}fold_names streams are named in lower case", prefix));
    }
  }
}

void CheckStreams(const google::protobuf::RepeatedPtrField<v1::StreamRule>& streams, const std::string& prefix,
                  const Problem& problem) {
  std::set<std::string> patterns;
  if (streams.size() > kMaxStreamRules) {
    problem(prefix + "streams", fmt::format("at most {} rules", kMaxStreamRules));
  }
  for (int i = 0; i < streams.size(); ++i) {
    const std::string& pattern = streams[i].pattern();
    std::string at = fmt::format("{}streams[{}]", prefix, i);
    if (std::string why = wire::PatternProblem(pattern); !why.empty()) {
      problem(at + ".pattern", why);
    } else if (!patterns.insert(pattern).second) {
      problem(at + ".pattern", "stands above already, which counts");
    }
    CheckAccess(streams[i], at, problem);
    if (i > 0 && streams[i - 1].pattern() == "*") {
      problem(at + ".pattern", "never counts: * above it matches every stream");
    }
  }
}

// Where names are folded, what has capitals names no stream.
void CheckFolded(const google::protobuf::RepeatedPtrField<v1::StreamRule>& streams, const v1::AuthConfig& auth,
                 const std::string& prefix, const Problem& problem) {
  auto check = [&](const std::string& at, const std::string& name) {
    if (!wire::HasCapitals(name)) return;
    problem(prefix + at, fmt::format("has capitals: with {}fold_names streams are named in lower case", prefix));
  };
  for (int i = 0; i < streams.size(); ++i) {
    std::string at = fmt::format("streams[{}].", i);
    check(at + "pattern", streams[i].pattern());
    for (int n = 0; n < streams[i].subscribe().owners_size(); ++n) {
      check(fmt::format("{}subscribe.owners[{}]", at, n), WithoutLabels(streams[i].subscribe().owners(n)));
    }
    for (int n = 0; n < streams[i].publish().owners_size(); ++n) {
      check(fmt::format("{}publish.owners[{}]", at, n), WithoutLabels(streams[i].publish().owners(n)));
    }
  }
  for (int i = 0; i < auth.claims().subscribe_size(); ++i) {
    check(fmt::format("auth.claims.subscribe[{}]", i), WithoutLabels(auth.claims().subscribe(i)));
  }
}

// Of one app: `prefix` is empty for the default one.
void CheckOrigins(const google::protobuf::RepeatedPtrField<std::string>& origins, const std::string& path,
                  const v1::AuthConfig& auth, const std::string& prefix, const Problem& problem) {
  const std::string& cookie = auth.cookie();
  if (!cookie.empty() && !edge::IsCookieName(cookie)) problem(prefix + "auth.cookie", "is not the name of a cookie");
  bool shown = !auth.hook().cookies().empty();
  if ((shown || !cookie.empty()) && std::find(origins.begin(), origins.end(), "*") != origins.end()) {
    problem(prefix + (shown ? "auth.hook.cookies" : "auth.cookie"),
            fmt::format("with {}: [\"*\"] every site could act as its visitors: name the origins", path));
  }
  for (int i = 0; i < origins.size(); ++i) {
    auto rules = auth::OriginRules::Parse({origins[i]});
    if (!rules.ok()) problem(fmt::format("{}[{}]", path, i), MessageOf(rules.status()));
  }
}

bool IsAppKey(std::string_view key) {
  return key.size() <= 64 && std::all_of(key.begin(), key.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
         });
}

// Whether every app of a key names streams in lower case.
bool FoldsEverywhere(const v1::ControlKey& key, const v1::Config& config) {
  auto folds = [&](const std::string& name) {
    if (name == wire::kDefaultAppName) return config.fold_names();
    auto app =
        std::find_if(config.apps().begin(), config.apps().end(), [&](const auto& a) { return a.name() == name; });
    if (app != config.apps().end()) return app->fold_names();
    return name == "*" && config.fold_names() &&
           std::all_of(config.apps().begin(), config.apps().end(), [](const auto& a) { return a.fold_names(); });
  };
  if (key.apps().empty()) return config.fold_names();
  return std::all_of(key.apps().begin(), key.apps().end(), folds);
}

void CheckApps(const v1::Config& config, const Problem& problem) {
  std::set<std::string> names = {std::string(wire::kDefaultAppName)};
  std::set<std::string> keys = names;
  if (config.apps_size() >= wire::kMaxApps) problem("apps", fmt::format("at most {}", wire::kMaxApps - 1));
  for (int i = 0; i < config.apps_size(); ++i) {
    const v1::AppConfig& app = config.apps(i);
    std::string at = fmt::format("apps[{}].", i);
    if (Status status = wire::CheckAppName(app.name()); !status.ok()) {
      problem(at + "name", MessageOf(status));
    } else if (!names.insert(app.name()).second) {
      problem(at + "name", app.name() == wire::kDefaultAppName ? "is what everything outside of apps describes"
                                                               : "two apps have this name");
    }
    const std::string& key = app.key().empty() ? app.name() : app.key();
    if (!IsAppKey(key)) problem(at + "key", "1 to 64 of [A-Za-z0-9_-] are needed");
    if (!keys.insert(key).second) {
      problem(at + (app.key().empty() ? "name" : "key"), "another app has this key");
    }
    CheckOrigins(app.allowed_origins(), at + "allowed_origins", app.auth(), at, problem);
    CheckStreams(app.streams(), at, problem);
    CheckClientEvents(app.client_events(), app.fold_names(), at, problem);
    if (app.fold_names()) CheckFolded(app.streams(), app.auth(), at, problem);
  }
  for (int i = 0; i < config.edge().endpoints_size(); ++i) {
    const std::string& name = config.edge().endpoints(i).app();
    if (!name.empty() && !names.contains(name)) {
      problem(fmt::format("edge.endpoints[{}].app", i), fmt::format("there is no app {} among apps", name));
    }
  }
  for (int i = 0; i < config.control().keys_size(); ++i) {
    const v1::ControlKey& key = config.control().keys(i);
    for (int n = 0; n < key.apps_size(); ++n) {
      if (key.apps(n) == "*" || names.contains(key.apps(n))) continue;
      problem(fmt::format("control.keys[{}].apps[{}]", i, n),
              fmt::format("there is no app {} among apps", key.apps(n)));
    }
    for (int n = 0; n < key.streams_size(); ++n) {
      std::string why = wire::PatternProblem(key.streams(n));
      if (why.empty() && wire::HasCapitals(key.streams(n)) && FoldsEverywhere(key, config)) {
        why = "has capitals: all of the key's apps name streams in lower case (fold_names)";
      }
      if (!why.empty()) problem(fmt::format("control.keys[{}].streams[{}]", i, n), why);
    }
  }
  const std::string& domain = config.edge().app_domain();
  bool lower = std::all_of(domain.begin(), domain.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
  if (!lower || domain.starts_with('.') || domain.ends_with('.')) {
    problem("edge.app_domain", "must look like rt.example.com: lower case, without a port and a dot at its ends");
  }
}

}  // namespace

void CheckRules(const v1::Config& config, const Problem& problem) {
  CheckAddress("edge.listen", config.edge().listen(), problem);
  CheckAddress("admin.listen", config.admin().listen(), problem);
  CheckPorts(config, problem);
  CheckEndpoints(config, problem);
  CheckControl(config, problem);
  CheckStreams(config.streams(), "", problem);
  CheckClientEvents(config.client_events(), config.fold_names(), "", problem);
  CheckHooks(config, problem);
  if (config.fold_names()) CheckFolded(config.streams(), config.auth(), "", problem);
  CheckOrigins(config.edge().allowed_origins(), "edge.allowed_origins", config.auth(), "", problem);
  CheckApps(config, problem);
  for (int i = 0; i < config.edge().trusted_proxies_size(); ++i) {
    auto proxies = edge::TrustedProxies::Parse({config.edge().trusted_proxies(i)});
    if (!proxies.ok()) problem(fmt::format("edge.trusted_proxies[{}]", i), MessageOf(proxies.status()));
  }
}

}  // namespace carillon::server
