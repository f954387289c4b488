#include "gateway/edge/admin_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/support/raw_ws_client.h"
#include "tests/support/test_node.h"

namespace carillon::edge {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class AdminServerTest : public ::testing::Test {
 protected:
  AdminServerTest() {
    metrics_.Add([](MetricsWriter& writer) { writer.Counter("carillon_test_total", "A test's own.", 42); });
    EXPECT_TRUE(admin_->Open("127.0.0.1:0").ok());
    admin_->Start();
  }
  ~AdminServerTest() override {
    node_.Stop();
    admin_.reset();
  }

  std::string Ask(const std::string& method, const std::string& path) {
    test::RawWsClient client(admin_->address());
    client.Send(method + " " + path + " HTTP/1.1\r\nHost: gateway\r\n\r\n");
    return client.ReadToEnd();
  }

  Metrics metrics_;
  test::TestNode node_{2};
  // Its loop is the deadlines', as in the gateway.
  std::unique_ptr<AdminServer> admin_ = std::make_unique<AdminServer>(node_.timers(), node_.node(), metrics_);
};

TEST_F(AdminServerTest, IsHealthyWhileAllShardsAnswer) {
  EXPECT_THAT(Ask("GET", "/healthz"), StartsWith("HTTP/1.1 200 OK\r\n"));

  test::TestNode::Hold stuck(node_, 1);
  std::string answer = Ask("GET", "/healthz");

  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, HasSubstr("1 of 2 shards answered"));
}

TEST_F(AdminServerTest, IsReadyWhenItIsToldSo) {
  EXPECT_THAT(Ask("GET", "/readyz"), StartsWith("HTTP/1.1 503 "));
  admin_->SetReady(true);
  EXPECT_THAT(Ask("GET", "/readyz"), StartsWith("HTTP/1.1 200 "));
  admin_->SetReady(false);
  EXPECT_THAT(Ask("GET", "/readyz"), StartsWith("HTTP/1.1 503 "));
}

TEST_F(AdminServerTest, MetricsAreInThePrometheusTextFormat) {
  std::string answer = Ask("GET", "/metrics");

  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_THAT(answer, HasSubstr("carillon_test_total 42\n"));
}

TEST_F(AdminServerTest, HeadHasNoBodyAndOtherMethodsGet405) {
  for (const char* path : {"/healthz", "/readyz", "/metrics"}) {
    EXPECT_TRUE(Ask("HEAD", path).ends_with("\r\n\r\n")) << path;
    EXPECT_THAT(Ask("POST", path), StartsWith("HTTP/1.1 405 ")) << path;
  }
  EXPECT_THAT(Ask("GET", "/"), StartsWith("HTTP/1.1 404 "));
}

}  // namespace
}  // namespace carillon::edge
