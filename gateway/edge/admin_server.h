#pragma once

#include <atomic>
#include <string>

#include "gateway/base/metrics.h"
#include "gateway/edge/http_connection.h"
#include "gateway/edge/listener.h"
#include "gateway/hub/node.h"

namespace carillon::edge {

// The operators' port: /healthz (do all shards answer?), /readyz (should traffic come here?), /metrics.
// Owned by: server::Application. Thread: the loop's, which is no shard's, so that it answers when shards do not.
class AdminServer {
 public:
  AdminServer(boost::asio::io_context& io, hub::Node& node, const Metrics& metrics);

  Status Open(const std::string& address) { return listener_.Open(address); }
  void Start() { listener_.Start(); }
  void Stop() { listener_.Stop(); }

  const std::string& address() const { return listener_.address(); }

  // Any thread. Not ready until this is called with true.
  void SetReady(bool ready) { ready_.store(ready, std::memory_order_relaxed); }

 private:
  void OnAccept(int descriptor);
  void OnRequest(const std::shared_ptr<HttpConnection>& connection, const HttpRequest& request);

  boost::asio::io_context& io_;
  hub::Node& node_;
  const Metrics& metrics_;
  Listener listener_;
  const HttpTimeouts timeouts_;
  HttpConnection::Handler handler_;
  HttpConnection::RefusalHandler on_refusal_;
  std::atomic<bool> ready_{false};
};

}  // namespace carillon::edge
