#include "gateway/edge/edge_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <thread>

#include "tests/support/test_edge.h"

namespace carillon::edge {
namespace {

using test::RawWsClient;
using test::TestEdge;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kUpgrade[] =
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n";

// What the edge answers to these bytes, until it closes.
std::string Ask(TestEdge& edge, std::string_view bytes) {
  RawWsClient client = edge.Connect();
  client.Send(bytes);
  return client.ReadToEnd();
}

std::string Get(std::string_view path, std::string_view headers = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: gateway\r\n" + std::string(headers) + "\r\n";
}

// Below 75 % it may be told again.
TEST(EdgeServerTest, EightyPercentAreToldOnceACrossing) {
  EdgeOptions options = TestEdge::Options();
  options.max_connections = 10;
  TestEdge edge(options);
  std::vector<RawWsClient> clients;
  auto crossings = [&](size_t sessions) {
    while (clients.size() < sessions) clients.push_back(edge.Join());
    while (clients.size() > sessions) clients.pop_back();
    while (edge.node().Sessions() != sessions) std::this_thread::yield();
    edge.server().LookAtLimits();
    MetricsWriter writer;
    edge.server().Collect(writer);
    std::string text = writer.Text();
    size_t at = text.find("carillon_limit_crossed_total{");
    return text.substr(text.find("} ", at) + 2, 1);
  };
  EXPECT_EQ(crossings(7), "0");
  EXPECT_EQ(crossings(8), "1");
  EXPECT_EQ(crossings(10), "1");
  EXPECT_EQ(crossings(8), "1");
  EXPECT_EQ(crossings(7), "1");
  EXPECT_EQ(crossings(8), "2");
}

TEST(EdgeServerTest, AnUpgradeIsAnsweredStrictly) {
  TestEdge edge(TestEdge::Options());
  RawWsClient client = edge.Connect();

  client.Send(Get("/ws", std::string(kUpgrade) + "Sec-WebSocket-Protocol: x, carillon.v1.json\r\n"));
  std::string head = client.ReadHead();

  EXPECT_THAT(head, StartsWith("HTTP/1.1 101 "));
  EXPECT_THAT(head, HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));  // RFC 6455 section 1.3
  EXPECT_THAT(head, HasSubstr("Sec-WebSocket-Protocol: carillon.v1.json\r\n"));
  EXPECT_THAT(head, HasSubstr("Server: carillon\r\n"));
  EXPECT_THAT(client.ReadFrame().payload, HasSubstr("\"event\":\"welcome\""));
}

struct RefusalCase {
  std::string request;
  std::string status_line;
  std::string code;
};

TEST(EdgeServerTest, RefusalsAreJsonThatNamesTheRule) {
  TestEdge edge(TestEdge::Options());
  const RefusalCase kCases[] = {
      {"nonsense\r\n", "HTTP/1.1 400 ", "malformed"},
      {Get("/nowhere", kUpgrade), "HTTP/1.1 404 ", "path"},
      {Get("/", ""), "HTTP/1.1 404 ", "path"},
      {Get("/ws"), "HTTP/1.1 426 ", "version"},
      {Get("/private", kUpgrade), "HTTP/1.1 401 ", "missing_token"},
      {Get("/ws", std::string(kUpgrade) + "Origin: https://evil.com\r\n"), "HTTP/1.1 403 ", "origin"},
      {Get("/ws?token=bad", kUpgrade), "HTTP/1.1 401 ", "invalid_token"},
  };
  for (const RefusalCase& c : kCases) {
    std::string answer = Ask(edge, c.request);

    EXPECT_THAT(answer, StartsWith(c.status_line));
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
    std::string body = answer.substr(answer.find("\r\n\r\n") + 4);
    EXPECT_EQ(boost::json::parse(body).at("error").at("code").as_string(), c.code);
  }
  MetricsWriter writer;
  edge.server().Collect(writer);
  EXPECT_THAT(writer.Text(), HasSubstr("carillon_handshakes_rejected_total{reason=\"path\"} 2\n"));
  EXPECT_THAT(writer.Text(), HasSubstr("carillon_handshakes_rejected_total{reason=\"origin\"} 1\n"));
  EXPECT_THAT(writer.Text(), HasSubstr("carillon_handshakes_rejected_total{reason=\"other\"} 0\n"));
}

TEST(EdgeServerTest, ATlsHelloIsAnsweredWithSilence) {
  TestEdge edge(TestEdge::Options());

  EXPECT_EQ(Ask(edge, std::string_view("\x16\x03\x01\x02\x00\x01\x00", 7)), "");
}

TEST(EdgeServerTest, ASlowRequestGets408AndASilentOneNothing) {
  EdgeOptions slow = TestEdge::Options();
  slow.timeouts.request = std::chrono::milliseconds(50);
  EdgeOptions silent = TestEdge::Options();
  silent.timeouts.accept = std::chrono::milliseconds(50);
  TestEdge slow_edge(slow);
  TestEdge silent_edge(silent);

  EXPECT_THAT(Ask(slow_edge, "GET /ws HTTP/1.1\r\n"), StartsWith("HTTP/1.1 408 "));
  EXPECT_EQ(Ask(silent_edge, ""), "");
}

TEST(EdgeServerTest, WhenItIsFullItSaysWhenToComeBack) {
  EdgeOptions options = TestEdge::Options();
  options.max_connections = 2;
  TestEdge edge(options);
  RawWsClient first = edge.Join();
  RawWsClient second = edge.Join();

  std::string answer = Ask(edge, Get("/ws", kUpgrade));

  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, HasSubstr("Retry-After: "));
  EXPECT_THAT(answer, HasSubstr("edge.max_connections"));
}

TEST(EdgeServerTest, TheDemoPageIsServedWhereItIsWanted) {
  EdgeOptions options = TestEdge::Options();
  options.demo_page = true;
  TestEdge edge(options);

  std::string page = Ask(edge, Get("/"));
  std::string head = Ask(edge, "HEAD / HTTP/1.1\r\nHost: gateway\r\n\r\n");

  EXPECT_THAT(page, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(page, HasSubstr("text/html"));
  EXPECT_THAT(page, HasSubstr("Content-Security-Policy: default-src 'none'"));
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
  EXPECT_THAT(Ask(edge, "POST / HTTP/1.1\r\nHost: gateway\r\n\r\n"), StartsWith("HTTP/1.1 405 "));
}

TEST(EdgeServerTest, ConnectionsAreDealtOutToTheShardsInTurn) {
  TestEdge edge(TestEdge::Options(), 3);
  std::vector<RawWsClient> clients;
  for (int i = 0; i < 9; ++i) clients.push_back(edge.Join());

  for (ShardIndex shard = 0; shard < 3; ++shard) {
    EXPECT_EQ(edge.node().shard(shard).stats().sessions.value(), 3u);
  }
}

TEST(EdgeServerTest, AfterStopAcceptingNobodyNewGetsInAndTheOthersStay) {
  TestEdge edge(TestEdge::Options());
  RawWsClient client = edge.Join();

  edge.server().StopAccepting();
  edge.test_node().On(0, [](hub::Shard&) {});

  EXPECT_THROW(edge.Connect(), std::runtime_error);
  client.SendText(R"({"action":"ping"})");
  EXPECT_THAT(client.ReadFrame().payload, HasSubstr("pong"));
}

}  // namespace
}  // namespace carillon::edge
