#include "gateway/server/hook_rules.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>

#include "gateway/base/status.h"
#include "gateway/edge/credentials.h"
#include "gateway/edge/listener.h"
#include "gateway/edge/tls.h"
#include "gateway/server/config_values.h"
#include "gateway/server/token_rules.h"
#include "gateway/wire/topic.h"

namespace carillon::server {
namespace {

using Problem = std::function<void(const std::string&, const std::string&)>;

constexpr int kMaxBackends = 20;
constexpr int kMaxShown = 20;  // cookies, headers
constexpr size_t kMinKeyBytes = 16;

constexpr std::string_view kUnix = "unix:";

// host:port, or [address]:port. Names are resolved later.
bool IsHostAndPort(std::string_view address) {
  size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  std::string_view host = address.substr(0, colon);
  std::string_view port = address.substr(colon + 1);
  unsigned number = 0;
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number == 0 || number > 65'535) return false;
  if (host.front() == '[') return edge::ParseAddress(std::string(address)).ok();
  return std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
  });
}

bool StaysHere(const std::string& address) {
  if (address.starts_with(kUnix) || address.starts_with("localhost:")) return true;
  auto endpoint = edge::ParseAddress(address);
  return endpoint.ok() && endpoint->address().is_loopback();
}

void CheckBackend(const v1::HookBackend& backend, const std::string& at, const Problem& problem) {
  if (!wire::CheckAppName(backend.name()).ok()) {
    problem(at + ".name", "1 to 63 of [a-z0-9-] are needed, neither beginning nor ending with -");
  }
  const std::string& address = backend.address();
  bool sound = address.starts_with(kUnix) ? address.size() > kUnix.size() + 1 && address[kUnix.size()] == '/'
                                          : IsHostAndPort(address);
  if (!sound) {
    problem(at + ".address", "must be host:port, such as 127.0.0.1:9000, or unix:/path");
  } else if (!backend.tls().enabled() && !backend.insecure() && !StaysHere(address)) {
    problem(at + ".address",
            "is not on this machine: sessions, cookies and the key would go there in clear. Set tls.enabled, or say "
            "insecure: true");
  }
  const std::string& key = backend.key();
  bool fits = std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (!key.empty() && (key.size() < kMinKeyBytes || !fits)) {
    problem(at + ".key", fmt::format("needs at least {} bytes of printable ASCII without spaces", kMinKeyBytes));
  }
  bool files =
      !backend.tls().ca_file().empty() || !backend.tls().cert_file().empty() || !backend.tls().key_file().empty();
  if (files && !backend.tls().enabled()) problem(at + ".tls.enabled", "is off: the files are of no use");
}

bool IsHeaderName(std::string_view name) {
  return !name.empty() && name != "cookie" && name != "authorization" &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; });
}

class References {
 public:
  References(const v1::Config& config, const Problem& problem) : problem_(problem) {
    for (const v1::HookBackend& backend : config.hooks()) known_.insert(backend.name());
  }

  void Check(const std::string& at, const std::string& backend) const {
    if (backend.empty() || known_.contains(backend)) return;
    problem_(at, fmt::format("there is no backend \"{}\" in hooks", backend));
  }

  // Of one app.
  void Check(const std::string& prefix, const v1::AuthHook& auth,
             const google::protobuf::RepeatedPtrField<v1::StreamRule>& streams,
             const google::protobuf::RepeatedPtrField<v1::EventRule>& events) const {
    CheckAuth(prefix + "auth.hook", auth);
    for (int i = 0; i < streams.size(); ++i) {
      Check(fmt::format("{}streams[{}].subscribe.hook", prefix, i), streams[i].subscribe().hook());
      Check(fmt::format("{}streams[{}].publish.hook", prefix, i), streams[i].publish().hook());
    }
    for (int i = 0; i < events.size(); ++i) {
      std::string at = fmt::format("{}client_events[{}]", prefix, i);
      Check(at + ".hook", events[i].hook());
      if (events[i].action() == v1::EVENT_ACTION_NONE && events[i].hook().empty()) {
        problem_(at + ".action", "none goes with hook: nobody would hear of the event");
      }
      if (events[i].action() == v1::EVENT_ACTION_REFUSE && !events[i].hook().empty()) {
        problem_(at + ".hook", "is never asked: the event is refused");
      }
    }
  }

 private:
  void CheckAuth(const std::string& at, const v1::AuthHook& auth) const {
    Check(at + ".backend", auth.backend());
    if (auth.backend().empty() && (!auth.cookies().empty() || !auth.headers().empty())) {
      problem_(at + ".backend", "is missing: nobody is shown the cookies and headers");
    }
    if (auth.cookies_size() > kMaxShown) problem_(at + ".cookies", fmt::format("at most {}", kMaxShown));
    if (auth.headers_size() > kMaxShown) problem_(at + ".headers", fmt::format("at most {}", kMaxShown));
    for (int i = 0; i < auth.cookies_size(); ++i) {
      if (!edge::IsCookieName(auth.cookies(i)))
        problem_(fmt::format("{}.cookies[{}]", at, i), "is not the name of a cookie");
    }
    for (int i = 0; i < auth.headers_size(); ++i) {
      if (IsHeaderName(auth.headers(i))) continue;
      problem_(fmt::format("{}.headers[{}]", at, i),
               "must be the name of a header in lower case, not cookie or authorization (auth.hook.cookies, and the "
               "token, are shown by themselves)");
    }
  }

  const Problem& problem_;
  std::set<std::string> known_;
};

std::string ReadPem(const std::string& path, const std::string& at, const Problem& problem) {
  if (path.empty()) return {};
  auto text = ReadKeyFile(path);
  if (text.ok()) return *std::move(text);
  problem(at, MessageOf(text.status()));
  return {};
}

hooks::ChannelTls TlsOf(const v1::HookTls& tls, const std::string& at, const Problem& problem) {
  hooks::ChannelTls made{ReadPem(tls.ca_file(), at + ".ca_file", problem),
                         ReadPem(tls.cert_file(), at + ".cert_file", problem),
                         ReadPem(tls.key_file(), at + ".key_file", problem)};
  if (tls.cert_file().empty() != tls.key_file().empty()) {
    problem(at + (tls.cert_file().empty() ? ".cert_file" : ".key_file"),
            "is missing: a certificate and its key are needed");
  }
  if (!made.authorities.empty()) {
    Status sound = edge::CheckAuthorities(made.authorities);
    if (!sound.ok()) problem(at + ".ca_file", fmt::format("{}: {}", tls.ca_file(), MessageOf(sound)));
  }
  if (!made.certificate.empty() && !made.key.empty()) {
    auto pair = edge::TlsContext::FromPem(made.certificate, made.key, edge::TlsVersion::k12);
    if (!pair.ok()) problem(at + ".cert_file", fmt::format("{}: {}", tls.cert_file(), MessageOf(pair.status())));
  }
  return made;
}

}  // namespace

void CheckHooks(const v1::Config& config, const Problem& problem) {
  if (config.hooks_size() > kMaxBackends) problem("hooks", fmt::format("at most {}", kMaxBackends));
  std::set<std::string> names;
  for (int i = 0; i < config.hooks_size(); ++i) {
    std::string at = fmt::format("hooks[{}]", i);
    CheckBackend(config.hooks(i), at, problem);
    if (!names.insert(config.hooks(i).name()).second) problem(at + ".name", "two backends have this name");
  }
  References references(config, problem);
  references.Check("", config.auth().hook(), config.streams(), config.client_events());
  for (int i = 0; i < config.apps_size(); ++i) {
    const v1::AppConfig& app = config.apps(i);
    references.Check(fmt::format("apps[{}].", i), app.auth().hook(), app.streams(), app.client_events());
  }
}

std::vector<hooks::BackendRules> BackendsOf(const v1::Config& config, const Problem& problem) {
  std::vector<hooks::BackendRules> backends;
  for (int i = 0; i < config.hooks_size(); ++i) {
    const v1::HookBackend& from = config.hooks(i);
    hooks::BackendRules& made = backends.emplace_back();
    made.name = from.name();
    made.address = from.address().starts_with(kUnix) ? from.address() : "dns:///" + from.address();
    made.speaks_tls = from.tls().enabled();
    if (made.speaks_tls) made.tls = TlsOf(from.tls(), fmt::format("hooks[{}].tls", i), problem);
    made.key = from.key();
    made.deadline = ToMilliseconds(from.deadline());
    made.max_pending = from.max_pending();
    made.breaker_failures = from.breaker_failures();
    made.breaker_pause = ToMilliseconds(from.breaker_pause());
    made.allow_on_failure = from.on_failure() == v1::HOOK_FAILURE_ALLOW;
    made.max_payload_bytes = config.limits().max_publish_bytes();
  }
  return backends;
}

}  // namespace carillon::server
