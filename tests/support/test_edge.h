#pragma once

#include <string>

#include "gateway/edge/edge_server.h"
#include "tests/support/apps.h"
#include "tests/support/raw_ws_client.h"
#include "tests/support/test_node.h"

namespace carillon::test {

// An edge on a free port of loopback, over a running node: real sockets, real sessions, in this process.
class TestEdge {
 public:
  explicit TestEdge(edge::EdgeOptions options, ShardIndex shards = 1)
      : node_(shards), server_(WithPort(std::move(options)), apps_, backends_, {}, node_.node()) {
    Status status = server_.Open();
    if (!status.ok()) throw std::runtime_error(MessageOf(status));
    server_.Start();
  }
  ~TestEdge() { node_.Stop(); }

  // Options with one anonymous endpoint at /ws and one for tokens at /private.
  static edge::EdgeOptions Options() {
    edge::EdgeOptions options;
    for (const char* path : {"/ws", "/private"}) {
      edge::EndpointRules& rules = options.endpoints.emplace_back();
      rules.path = path;
      rules.anonymous = rules.path == "/ws";
      rules.session.dialect = &dialect::Native();
    }
    return options;
  }

  hub::Node& node() { return node_.node(); }
  TestNode& test_node() { return node_; }
  edge::EdgeServer& server() { return server_; }
  auth::LiveApps& apps() { return apps_; }

  RawWsClient Connect() { return RawWsClient(server_.address()); }

  // A client that was upgraded at the path and has read its welcome.
  RawWsClient Join(const std::string& path = "/ws") {
    RawWsClient client = Connect();
    if (int status = client.Upgrade(path); status != 101) throw std::runtime_error("status " + std::to_string(status));
    if (client.ReadFrame().opcode != 1) throw std::runtime_error("no welcome");
    return client;
  }

 private:
  static edge::EdgeOptions WithPort(edge::EdgeOptions options) {
    options.listen = "127.0.0.1:0";
    return options;
  }

  auth::LiveApps apps_{AppsOf(DefaultApp())};
  hooks::Backends backends_;
  TestNode node_;
  edge::EdgeServer server_;
};

}  // namespace carillon::test
