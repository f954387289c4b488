#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "carillon/v1/codes.pb.h"
#include "gateway/base/live.h"
#include "gateway/base/metrics.h"
#include "gateway/edge/asking.h"
#include "gateway/edge/command_handler.h"
#include "gateway/edge/connection_limits.h"
#include "gateway/edge/handshake.h"
#include "gateway/edge/http_connection.h"
#include "gateway/edge/limit_watches.h"
#include "gateway/edge/listener.h"
#include "gateway/hub/node.h"

namespace carillon::edge {

struct EdgeOptions {
  std::string listen;
  std::vector<EndpointRules> endpoints;  // the enabled ones
  HttpTimeouts timeouts;
  size_t max_connections = 1000;  // sessions
  size_t max_sockets = 2000;      // those and what is still HTTP, which must leave descriptors for everybody else
  bool demo_page = false;
  ConnectionLimitSettings limits;
};

// Who is not let in because it is drained.
struct Drained {
  bool node = false;
  std::vector<wire::AppId> apps;
  std::vector<const EndpointRules*> endpoints;  // of EdgeOptions
};

// Where clients connect: accepts, deals connections out to the shards in turn, judges their request, and turns them
// into sessions or answers them.
// Owned by: server::Application; outlives the shards' threads. Thread: the shards', but for Open and Start.
class EdgeServer {
 public:
  // The apps and the backends must outlive it; they may be exchanged meanwhile.
  // `tls` null: connections are plain.
  EdgeServer(EdgeOptions options, const auth::LiveApps& apps, const hooks::Backends& backends, AdmissionRules rules,
             hub::Node& node, TlsContextPtr tls = nullptr);

  Status Open() { return listener_.Open(options_.listen); }
  void Start();
  // Stops accepting, and refuses requests that are on their way; any thread. Sessions are the node's to end.
  void StopAccepting();

  // From the next request on; any thread. Sessions are the node's to end.
  void SetDrained(Drained drained);

  // The endpoint with exactly this path; null where there is none. Lives as long as this. Any thread.
  const EndpointRules* FindEndpoint(std::string_view path) const;

  // The apps whose clients may come by it. Any thread.
  std::vector<wire::AppId> AppsOf(const EndpointRules& endpoint) const;

  // New clients are refused while the process is short of memory; any thread.
  void SetShortOfMemory(bool yes) { short_of_memory_.store(yes, std::memory_order_relaxed); }

  // From the next request on; any thread.
  void SetRules(AdmissionRules rules) { rules_.Set(std::move(rules)); }
  // The certificate for connections that come from here on; null, or the same again, changes nothing. One thread.
  void SetTls(TlsContextPtr tls);
  void SetLimits(const ConnectionLimitSettings& limits) { limits_->Set(limits); }

  // To be called now and then: says in a line which limits have come near. The thread of Collect.
  void LookAtLimits();

  const std::string& address() const { return listener_.address(); }

  void Collect(MetricsWriter& writer) const;

 private:
  void OnAccept(int descriptor);
  // Whether an address has limits of its own: this machine and proxies have none.
  static bool IsLimited(const Address& address, const AdmissionRules& rules);
  std::optional<HttpError> CheckPeer(const Address& peer);
  void OnRequest(hub::Shard& shard, const std::shared_ptr<HttpConnection>& connection, const HttpRequest& request);
  // What a request has waited for before.
  struct Waited {
    bool at_all = false;
    bool for_keys = false;                   // the token's key was not known, and keys were fetched since
    std::shared_ptr<const Answers> answers;  // null: no backend was asked
  };
  void Admit(hub::Shard& shard, const std::shared_ptr<HttpConnection>& connection, const HttpRequest& request,
             const Waited& waited);
  void Ask(hub::Shard& shard, const std::shared_ptr<HttpConnection>& connection, const HttpRequest& request,
           const Question& question, Waited waited);
  void Answer(const std::shared_ptr<HttpConnection>& connection, const HttpRequest& request);
  std::optional<HttpError> CheckDrained(const auth::App& app, const EndpointRules& endpoint) const;
  std::vector<LimitUse> Limits() const;
  void RecordCrossed(const LimitUse& use, std::string_view who);
  void OnRefusal(const HttpError& error, const Address& peer);

  const EdgeOptions options_;
  const auth::LiveApps& apps_;
  const hooks::Backends& backends_;
  Live<AdmissionRules> rules_;
  Live<TlsContextPtr> tls_;
  hub::Node& node_;
  const std::shared_ptr<ConnectionLimits> limits_;
  CommandHandler commands_;
  Listener listener_;
  // Connections that are accepted and no session yet. Shared with them, because the last ones go with their loops.
  std::shared_ptr<std::atomic<size_t>> waiting_ = std::make_shared<std::atomic<size_t>>(0);
  std::atomic<bool> draining_{false};  // for good
  std::atomic<bool> node_is_drained_{false};
  std::atomic<bool> some_are_drained_{false};
  Live<Drained> drained_{{}};
  std::atomic<bool> short_of_memory_{false};
  size_t next_shard_ = 0;                          // of the listener's thread
  std::vector<HttpConnection::Handler> handlers_;  // one a shard
  // Of requests that wait for a backend to say whose they are; each shard's are its own.
  std::vector<std::map<uint64_t, std::shared_ptr<Inquiry>>> asking_;
  HttpConnection::RefusalHandler on_refusal_;
  std::array<SharedCounter, v1::HandshakeReason_ARRAYSIZE> refused_;  // by reason; 0: one that is not in the list
  log::SamplerByReason sampler_;
};

}  // namespace carillon::edge
