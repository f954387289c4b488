#include "gateway/edge/edge_server.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "gateway/base/random.h"
#include "gateway/edge/demo_page.h"
#include "gateway/edge/ws_session.h"

namespace carillon::edge {

namespace {

HttpError Draining() {
  return {503, "draining", "the gateway is shutting down", "", {{"Retry-After", "1"}}};
}

}  // namespace

EdgeServer::EdgeServer(EdgeOptions options, AdmissionRules rules, hub::Node& node)
    : options_(std::move(options)),
      tokens_(rules.tokens),
      rules_(std::move(rules)),
      node_(node),
      limits_(std::make_shared<ConnectionLimits>(options_.limits, node)),
      commands_(tokens_, limits_),
      listener_(node.shard(0).io(), [this](int descriptor) { OnAccept(descriptor); }) {
  for (ShardIndex index = 0; index < node_.shards(); ++index) {
    hub::Shard& shard = node_.shard(index);
    handlers_.push_back([this, &shard](const std::shared_ptr<HttpConnection>& connection, const HttpRequest& request) {
      OnRequest(shard, connection, request);
    });
  }
  on_refusal_ = [this](const HttpError& error, HttpConnection& connection) { OnRefusal(error, &connection); };
}

void EdgeServer::Start() {
  boost::asio::post(node_.shard(0).io(), [this] { listener_.Start(); });
}

void EdgeServer::StopAccepting() {
  draining_.store(true, std::memory_order_relaxed);
  boost::asio::post(node_.shard(0).io(), [this] { listener_.Stop(); });
}

void EdgeServer::OnAccept(int descriptor) {
  if (node_.Sessions() + waiting_->load(std::memory_order_relaxed) >= options_.max_sockets) {
    ::close(descriptor);
    return OnRefusal({503, "capacity", "too many connections that say nothing", "edge.max_connections", {}}, nullptr);
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
    std::make_shared<HttpConnection>(std::move(socket), options_.timeouts, handlers_[index], on_refusal_, slot)
        ->Start();
  };
  // The listener runs on shard 0: its own connections need no hop.
  if (index == 0) {
    begin();
  } else {
    boost::asio::post(shard.io(), begin);
  }
}

void EdgeServer::OnRequest(hub::Shard& shard, const std::shared_ptr<HttpConnection>& connection,
                           const HttpRequest& request) {
  if (draining_.load(std::memory_order_relaxed)) {
    return connection->Refuse(Draining());
  }
  std::string stream;
  const EndpointRules* endpoint = FindEndpoint(options_.endpoints, request.path, &stream);
  if (endpoint == nullptr) {
    bool page = options_.demo_page && request.path == "/";
    if (!page) {
      return connection->Refuse({404,
                                 "path",
                                 fmt::format("there is nothing at {}", request.path.substr(0, 100)),
                                 "edge.endpoints[].path",
                                 {}});
    }
    if (request.method != "GET" && request.method != "HEAD") {
      return connection->Refuse({405, "method", "this path takes GET only", "", {{"Allow", "GET, HEAD"}}});
    }
    return connection->Respond(MakeResponse(200, "text/html; charset=utf-8", kDemoPage,
                                            {{"Content-Security-Policy",
                                              "default-src 'none'; style-src 'unsafe-inline'; script-src "
                                              "'unsafe-inline'; connect-src 'self' ws: wss:"}},
                                            request.method == "GET"));
  }
  Admit(shard, connection, request, *endpoint, stream, false);
}

void EdgeServer::Admit(hub::Shard& shard, const std::shared_ptr<HttpConnection>& connection, const HttpRequest& request,
                       const EndpointRules& endpoint, const std::string& stream, bool waited) {
  if (waited && draining_.load(std::memory_order_relaxed)) return connection->Refuse(Draining());
  std::shared_ptr<const AdmissionRules> rules = rules_.Get();
  Address address = ClientAddress(connection->Peer(), request, rules->proxies);
  bool counts = !address.is_loopback() && !rules->proxies.Contains(address);
  if (!waited) {
    auto refused = limits_->CheckRates(counts ? &address : nullptr, std::chrono::steady_clock::now());
    if (refused.has_value()) return connection->Refuse(*refused);
  }
  bool unknown_key = false;
  Verdict verdict = Judge(request, *rules, endpoint, stream, std::chrono::system_clock::now(), &unknown_key);
  if (unknown_key && !waited) {
    // The connection is moved on and on: its shard must be the one that lets go of it.
    auto again = [this, &shard, connection, request, &endpoint, stream]() mutable {
      boost::asio::post(shard.io(),
                        [this, &shard, connection = std::move(connection), request = std::move(request), &endpoint,
                         stream = std::move(stream)] { Admit(shard, connection, request, endpoint, stream, true); });
    };
    if (tokens_->AwaitKeys(std::move(again))) return;
  }
  if (auto* refused = std::get_if<HttpError>(&verdict)) return connection->Refuse(*refused);
  if (node_.Sessions() >= options_.max_connections) {
    return connection->Refuse({503,
                               "capacity",
                               fmt::format("the gateway has its {} connections", options_.max_connections),
                               "edge.max_connections",
                               {{"Retry-After", std::to_string(1 + RandomBits() % 10)}}});
  }
  if (short_of_memory_.load(std::memory_order_relaxed)) {
    return connection->Refuse({503,
                               "memory",
                               "the gateway is short of memory",
                               "limits.memory_bytes",
                               {{"Retry-After", std::to_string(1 + RandomBits() % 10)}}});
  }
  auto& admission = std::get<Admission>(verdict);
  if (admission.identity != nullptr) {
    if (auto why = limits_->UserIsFull(admission.identity->user_id)) {
      return connection->Refuse({503,
                                 "user_limit",
                                 *std::move(why),
                                 "limits.connections_per_user",
                                 {{"Retry-After", std::to_string(1 + RandomBits() % 10)}}});
    }
  }
  if (auto refused = limits_->Enter(counts ? &address : nullptr, &admission.place)) return connection->Refuse(*refused);
  auto [socket, unread] = connection->Release();
  BeginWsSession(shard, commands_, std::move(socket), std::move(unread), admission);
}

void EdgeServer::OnRefusal(const HttpError& error, const HttpConnection* connection) {
  auto it = std::find(kReasons.begin(), kReasons.end(), error.reason);
  size_t row = it == kReasons.end() ? kReasons.size() - 1 : static_cast<size_t>(it - kReasons.begin());
  refused_[row].Add();
  uint64_t suppressed = 0;
  if (!sampler_.Allow(kReasons[row], &suppressed)) return;
  log::Info("edge", "refused a request",
            {{"reason", error.reason},
             {"status", error.status},
             {"why", error.message},
             {"setting", error.setting},
             {"peer", connection == nullptr ? "unknown" : connection->PeerNetwork()},
             {"suppressed", suppressed}});
}

// A line for each time that 80 % are crossed; below 75 % it may be said again.
void EdgeServer::LookAtLimits() {
  size_t sessions = node_.Sessions();
  size_t limit = options_.max_connections;
  if (near_limit_ ? sessions * 4 < limit * 3 : sessions * 5 < limit * 4) {
    near_limit_ = false;
  } else if (!std::exchange(near_limit_, true)) {
    crossed_.Add();
    log::Warn("edge", "80 % of the connections are there; at all of them new clients get 503",
              {{"connections", sessions}, {"limit", limit}, {"setting", "edge.max_connections"}});
  }
}

void EdgeServer::Collect(MetricsWriter& writer) const {
  writer.Gauge(
      "carillon_limit_ratio", "How much of a limit is used; 1 is all.",
      static_cast<double>(node_.Sessions()) / static_cast<double>(std::max<size_t>(1, options_.max_connections)),
      {{"limit", "connections"}});
  writer.Counter("carillon_limit_crossed_total", "How often 80 % of a limit were crossed.", crossed_.value(),
                 {{"limit", "connections"}});
  for (size_t row = 0; row < kReasons.size(); ++row) {
    writer.Counter("carillon_handshakes_rejected_total", "Requests that were refused, by reason.",
                   refused_[row].value(), {{"reason", kReasons[row]}});
  }
}

}  // namespace carillon::edge
