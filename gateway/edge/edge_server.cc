#include "gateway/edge/edge_server.h"

#include <fmt/chrono.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "gateway/base/check.h"
#include "gateway/edge/demo_page.h"
#include "gateway/edge/route.h"
#include "gateway/edge/ws_session.h"
#include "gateway/wire/code_words.h"

namespace carillon::edge {

namespace {

constexpr char kMaxConnections[] = "edge.max_connections";

HttpError Draining() {
  return {503, "draining", "the gateway is shutting down", "", {{"Retry-After", "1"}}};
}

// It may take its time, or be taken back.
HttpError Drained503(std::string what) {
  return {503, "draining", fmt::format("{} is being drained", what), "AdminService.Drain", {RetryAfter()}};
}

}  // namespace

EdgeServer::EdgeServer(EdgeOptions options, const auth::LiveApps& apps, const hooks::Backends& backends,
                       AdmissionRules rules, hub::Node& node, TlsContextPtr tls)
    : options_(std::move(options)),
      apps_(apps),
      backends_(backends),
      rules_(std::move(rules)),
      tls_(std::move(tls)),
      node_(node),
      limits_(std::make_shared<ConnectionLimits>(options_.limits, node)),
      commands_(apps, backends, limits_),
      listener_(node.shard(0).io(), [this](int descriptor) { OnAccept(descriptor); }) {
  asking_.resize(node_.shards());
  for (ShardIndex index = 0; index < node_.shards(); ++index) {
    hub::Shard& shard = node_.shard(index);
    handlers_.push_back([this, &shard](const std::shared_ptr<HttpConnection>& connection, const HttpRequest& request) {
      OnRequest(shard, connection, request);
    });
  }
  OnCrossed on_crossed = [this](const LimitUse& use, std::string_view who) { RecordCrossed(use, who); };
  limits_->warnings().SetHandler(on_crossed);
  limits_->watches().SetHandler(on_crossed);
  on_refusal_ = [this](const HttpError& error, HttpConnection& connection) { OnRefusal(error, connection.peer()); };
}

void EdgeServer::Start() {
  boost::asio::post(node_.shard(0).io(), [this] { listener_.Start(); });
}

void EdgeServer::StopAccepting() {
  draining_.store(true, std::memory_order_relaxed);
  boost::asio::post(node_.shard(0).io(), [this] { listener_.Stop(); });
}

void EdgeServer::SetDrained(Drained drained) {
  node_is_drained_.store(drained.node, std::memory_order_relaxed);
  some_are_drained_.store(!drained.apps.empty() || !drained.endpoints.empty(), std::memory_order_relaxed);
  drained_.Set(std::move(drained));
}

const EndpointRules* EdgeServer::FindEndpoint(std::string_view path) const {
  auto it = std::find_if(options_.endpoints.begin(), options_.endpoints.end(),
                         [path](const EndpointRules& endpoint) { return endpoint.path == path; });
  return it == options_.endpoints.end() ? nullptr : &*it;
}

std::vector<wire::AppId> EdgeServer::AppsOf(const EndpointRules& endpoint) const {
  std::vector<wire::AppId> ids;
  std::shared_ptr<const auth::Apps> apps = apps_.Get();
  for (const auth::App& app : apps->all()) {
    if (endpoint.app.empty() || endpoint.app == app.name) ids.push_back(app.id);
  }
  return ids;
}

std::optional<HttpError> EdgeServer::CheckDrained(const auth::App& app, const EndpointRules& endpoint) const {
  if (!some_are_drained_.load(std::memory_order_relaxed)) return std::nullopt;
  std::shared_ptr<const Drained> drained = drained_.Get();
  if (std::find(drained->apps.begin(), drained->apps.end(), app.id) != drained->apps.end()) {
    return Drained503(fmt::format("the app {}", app.name));
  }
  if (std::find(drained->endpoints.begin(), drained->endpoints.end(), &endpoint) != drained->endpoints.end()) {
    return Drained503(fmt::format("the endpoint {}", endpoint.path));
  }
  return std::nullopt;
}

void EdgeServer::OnAccept(int descriptor) {
  if (node_.Sessions() + waiting_->load(std::memory_order_relaxed) >= options_.max_sockets) {
    ::close(descriptor);
    return OnRefusal({0, "capacity", "too many connections that say nothing", "edge.max_connections", {}}, {});
  }
  waiting_->fetch_add(1, std::memory_order_relaxed);
  std::shared_ptr<void> slot(nullptr,
                             [waiting = waiting_](void*) { waiting->fetch_sub(1, std::memory_order_relaxed); });
  auto index = static_cast<ShardIndex>(next_shard_++ % node_.shards());
  hub::Shard& shard = node_.shard(index);
  auto begin = [this, &shard, index, descriptor, slot = std::move(slot)] {
    Socket socket(shard.io().get_executor());
    boost::system::error_code error;
    socket.assign(listener_.protocol(), descriptor, error);
    if (error) {
      ::close(descriptor);
      return;
    }
    std::unique_ptr<TlsChannel> channel;
    if (TlsContextPtr tls = *tls_.Get()) {
      Address peer = PeerOf(socket);
      if (auto refused = CheckPeer(peer)) {
        refused->status = 0;
        return OnRefusal(*refused, peer);
      }
      channel = tls->NewChannel();
      if (channel == nullptr) return;
    }
    std::make_shared<HttpConnection>(Link(std::move(socket), std::move(channel)), options_.timeouts, handlers_[index],
                                     on_refusal_, slot)
        ->Start();
  };
  // The listener runs on shard 0: its own connections need no hop.
  if (index == 0) {
    begin();
  } else {
    boost::asio::post(shard.io(), begin);
  }
}

bool EdgeServer::IsLimited(const Address& address, const AdmissionRules& rules) {
  return !address.is_loopback() && !rules.proxies.Contains(address);
}

void EdgeServer::SetTls(TlsContextPtr tls) {
  TlsContextPtr now = *tls_.Get();
  if (tls == nullptr || (now != nullptr && now->IsSameAs(*tls))) return;  // the tickets of the same stay good
  log::Info("edge", "clients are shown another certificate",
            {{"until", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                                   fmt::gmtime(std::chrono::system_clock::to_time_t(tls->facts().ends_at)))}});
  tls_.Set(std::move(tls));
}

// TLS costs a signature before anything is said: who comes too often is sent away before that, without a word. Those
// whom proxies bring, and who is on this machine, are judged by their request.
std::optional<HttpError> EdgeServer::CheckPeer(const Address& peer) {
  if (!IsLimited(peer, *rules_.Get())) return std::nullopt;
  return limits_->CheckRates(&peer, std::chrono::steady_clock::now());
}

void EdgeServer::OnRequest(hub::Shard& shard, const std::shared_ptr<HttpConnection>& connection,
                           const HttpRequest& request) {
  Admit(shard, connection, request, {});
}

// The connection is not read while it waits: for as long as one answer may take.
void EdgeServer::Ask(hub::Shard& shard, const std::shared_ptr<HttpConnection>& connection, const HttpRequest& request,
                     const Question& question, Waited waited) {
  auto& asking = asking_[shard.index()];
  uint64_t number = asking.empty() ? 0 : asking.rbegin()->first + 1;
  waited.at_all = true;
  asking[number] = Inquiry::Begin(shard, backends_, {question},
                                  [this, &shard, connection, request, waited, &asking, number](Answers answers) {
                                    auto ends = asking.extract(number);  // it is calling this
                                    Waited now = waited;
                                    now.answers = std::make_shared<const Answers>(std::move(answers));
                                    Admit(shard, connection, request, now);
                                  });
}

// What is no WebSocket: the demo page, or nothing.
void EdgeServer::Answer(const std::shared_ptr<HttpConnection>& connection, const HttpRequest& request) {
  bool page = options_.demo_page && request.path == "/";
  if (!page) {
    return connection->Refuse(
        {404, "path", fmt::format("there is nothing at {}", request.path.substr(0, 100)), "edge.endpoints[].path", {}});
  }
  if (request.method != "GET" && request.method != "HEAD") {
    return connection->Refuse({405, "method", "this path takes GET only", "", {{"Allow", "GET, HEAD"}}});
  }
  connection->Respond(MakeResponse(200, "text/html; charset=utf-8", kDemoPage,
                                   {{"Content-Security-Policy",
                                     "default-src 'none'; style-src 'unsafe-inline'; script-src "
                                     "'unsafe-inline'; connect-src 'self' ws: wss:"}},
                                   request.method == "GET"));
}

void EdgeServer::Admit(hub::Shard& shard, const std::shared_ptr<HttpConnection>& connection, const HttpRequest& request,
                       const Waited& waited) {
  if (draining_.load(std::memory_order_relaxed)) return connection->Refuse(Draining());
  if (node_is_drained_.load(std::memory_order_relaxed)) return connection->Refuse(Drained503("the gateway"));
  std::shared_ptr<const AdmissionRules> rules = rules_.Get();
  std::shared_ptr<const auth::Apps> apps = apps_.Get();
  Route route = FindRoute(options_.endpoints, *apps, rules->app_domain, request.path, request.Header("host"));
  if (route.endpoint == nullptr && (route.app != nullptr || route.wanted.empty())) return Answer(connection, request);
  if (route.app == nullptr) {
    return connection->Refuse(
        {404, "app", fmt::format("there is no app {}", route.wanted.substr(0, 100)), "apps[].key, apps[].name", {}});
  }
  const auth::App& app = *route.app;
  if (auto refused = CheckDrained(app, *route.endpoint)) return connection->Refuse(*refused);
  Address address = ClientAddress(connection->peer(), request, rules->proxies);
  const Address* limited = IsLimited(address, *rules) ? &address : nullptr;
  bool counted = connection->secure() && IsLimited(connection->peer(), *rules);  // by CheckPeer
  if (!waited.at_all && !counted) {
    auto refused = limits_->CheckRates(limited, std::chrono::steady_clock::now());
    if (refused.has_value()) return connection->Refuse(*refused);
  }
  bool unknown_key = false;
  RequestFacts facts{route.stream, address, std::chrono::system_clock::now(), waited.answers.get()};
  Verdict verdict = Judge(request, app, *route.endpoint, facts, &unknown_key);
  if (auto* question = std::get_if<Question>(&verdict)) return Ask(shard, connection, request, *question, waited);
  if (unknown_key && !waited.for_keys) {
    // The connection is moved on and on: its shard must be the one that lets go of it.
    auto again = [this, &shard, connection, request]() mutable {
      boost::asio::post(shard.io(), [this, &shard, connection = std::move(connection), request = std::move(request)] {
        Admit(shard, connection, request, {true, true, nullptr});
      });
    };
    if (app.tokens->AwaitKeys(std::move(again))) return;
  }
  if (auto* refused = std::get_if<HttpError>(&verdict)) return connection->Refuse(*refused);
  size_t sessions = node_.Sessions();
  bool full = sessions >= options_.max_connections;
  limits_->watches().LookAt("connections", "", sessions + (full ? 0 : 1), options_.max_connections, kMaxConnections);
  if (full) {
    return connection->Refuse({503,
                               "capacity",
                               fmt::format("the gateway has its {} connections", options_.max_connections),
                               "edge.max_connections",
                               {RetryAfter()}});
  }
  if (short_of_memory_.load(std::memory_order_relaxed)) {
    return connection->Refuse({503, "memory", "the gateway is short of memory", "limits.memory_bytes", {RetryAfter()}});
  }
  if (auto why = limits_->AppIsFull(app)) {
    return connection->Refuse({503, "app_limit", *std::move(why), "apps[].limits.connections", {RetryAfter()}});
  }
  auto& admission = std::get<Admission>(verdict);
  if (admission.identity != nullptr) {
    if (auto why = limits_->UserIsFull(app, admission.identity->user_id)) {
      return connection->Refuse({503, "user_limit", *std::move(why), UserSetting(app), {RetryAfter()}});
    }
  }
  admission.address = address;
  if (auto refused = limits_->Enter(limited, &admission.place)) return connection->Refuse(*refused);
  auto [link, unread] = connection->Release();
  BeginWsSession(shard, commands_, std::move(link), std::move(unread), admission);
}

void EdgeServer::OnRefusal(const HttpError& error, const Address& peer) {
  int reason = wire::NumberOf(*v1::HandshakeReason_descriptor(), error.reason);
  CARILLON_DCHECK(reason != 0);
  refused_[static_cast<size_t>(reason)].Add();
  uint64_t suppressed = 0;
  if (!sampler_.Allow(error.reason, &suppressed)) return;
  log::Info("edge", "refused a request",
            {{"reason", error.reason},
             {"status", error.status},
             {"why", error.message},
             {"setting", error.setting},
             {"peer", NetworkOf(peer)},
             {"suppressed", suppressed}});
}

std::vector<LimitUse> EdgeServer::Limits() const {
  std::vector<LimitUse> limits;
  size_t most = std::max<size_t>(1, options_.max_connections);
  limits.push_back({"connections", "", node_.Sessions(), most, kMaxConnections});
  std::shared_ptr<const auth::Apps> apps = apps_.Get();
  for (const auth::App& app : apps->all()) {
    size_t sessions = node_.Find({app.id, wire::TopicKind::kEveryone, ""}).sessions;
    if (app.connections > 0) {
      limits.push_back({"app_connections", app.name, sessions, app.connections, kAppSetting});
    }
    if (app.max_streams > 0) {
      limits.push_back({"app_streams", app.name, node_.StreamsOf(app.id), app.max_streams, StreamsSetting(app)});
    }
  }
  return limits;
}

// To those who watch the app, or the default one where the limit is nobody's.
void EdgeServer::RecordCrossed(const LimitUse& use, std::string_view who) {
  std::shared_ptr<const auth::Apps> apps = apps_.Get();
  const auth::App* app = use.app.empty() ? &apps->Default() : apps->FindByName(use.app);
  if (app == nullptr) return;
  node_.engine().feed().Record(app->id, v1::EVENT_KIND_LIMIT_CROSSED, [&](v1::FeedEvent& event) {
    v1::LimitCrossed* limit = event.mutable_limit();
    limit->set_limit(use.limit);
    limit->set_used(use.used);
    limit->set_most(use.most);
    limit->set_who(std::string(who));
    limit->set_setting(use.setting);
  });
}

void EdgeServer::LookAtLimits() {
  limits_->watches().Look(Limits());
}

void EdgeServer::Collect(MetricsWriter& writer) const {
  limits_->watches().Collect(writer, Limits());
  std::shared_ptr<const auth::Apps> apps = apps_.Get();
  limits_->warnings().Collect(writer, *apps);
  for (const auth::App& app : apps->all()) {
    writer.Gauge("carillon_app_connections", "Sessions open now, by app.",
                 static_cast<double>(node_.Find({app.id, wire::TopicKind::kEveryone, ""}).sessions),
                 {{"app", app.name}});
    writer.Gauge("carillon_app_streams", "Streams with subscribers, by app.",
                 static_cast<double>(node_.StreamsOf(app.id)), {{"app", app.name}});
  }
  if (TlsContextPtr tls = *tls_.Get()) {
    writer.Gauge("carillon_certificate_expiry_seconds", "When the edge's certificate ends, in seconds since 1970.",
                 std::chrono::duration<double>(tls->facts().ends_at.time_since_epoch()).count());
  }
  const auto& reasons = *v1::HandshakeReason_descriptor();
  for (int i = 0; i < reasons.value_count(); ++i) {
    auto number = static_cast<size_t>(reasons.value(i)->number());
    writer.Counter("carillon_handshakes_rejected_total", "Requests that were refused, by reason.",
                   refused_[number].value(), {{"reason", number == 0 ? "other" : wire::WordOf(*reasons.value(i))}});
  }
}

}  // namespace carillon::edge
