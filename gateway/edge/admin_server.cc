#include "gateway/edge/admin_server.h"

#include <unistd.h>

#include <boost/asio/post.hpp>

namespace carillon::edge {
namespace {

constexpr std::string_view kText = "text/plain; charset=utf-8";

}  // namespace

AdminServer::AdminServer(boost::asio::io_context& io, hub::Node& node, const Metrics& metrics)
    : io_(io), node_(node), metrics_(metrics), listener_(io, [this](int descriptor) { OnAccept(descriptor); }) {
  handler_ = [this](const std::shared_ptr<HttpConnection>& connection, const HttpRequest& request) {
    OnRequest(connection, request);
  };
  on_refusal_ = [](const HttpError&, HttpConnection&) {};
}

void AdminServer::OnAccept(int descriptor) {
  Socket socket(io_.get_executor());
  boost::system::error_code error;
  socket.assign(listener_.protocol(), descriptor, error);
  if (error) {
    ::close(descriptor);
    return;
  }
  std::make_shared<HttpConnection>(Link(std::move(socket)), timeouts_, handler_, on_refusal_)->Start();
}

void AdminServer::OnRequest(const std::shared_ptr<HttpConnection>& connection, const HttpRequest& request) {
  bool with_body = request.method != "HEAD";
  if (request.method != "GET" && request.method != "HEAD") {
    return connection->Refuse({405, "method", "this port takes GET only", "", {{"Allow", "GET, HEAD"}}});
  }
  if (request.path == "/metrics") {
    return connection->Respond(
        MakeResponse(200, "text/plain; version=0.0.4; charset=utf-8", metrics_.Text(), {}, with_body));
  }
  if (request.path == "/readyz") {
    bool ready = ready_.load(std::memory_order_relaxed);
    return connection->Respond(
        MakeResponse(ready ? 200 : 503, kText, ready ? "ready\n" : "not ready\n", {}, with_body));
  }
  if (request.path == "/healthz") {
    node_.Ask(
        node_.all_shards(), [](hub::Shard&) { return true; },
        [this, connection, with_body](const Gather<bool>::Result& result) {
          std::string body = result.partial
                                 ? fmt::format("{} of {} shards answered\n", result.answers.size(), node_.shards())
                                 : std::string("ok\n");
          boost::asio::post(io_, [connection, with_body, body, healthy = !result.partial] {
            connection->Respond(MakeResponse(healthy ? 200 : 503, kText, body, {}, with_body));
          });
        });
    return;
  }
  connection->Refuse({404, "path", "try /healthz, /readyz or /metrics", "", {}});
}

}  // namespace carillon::edge
