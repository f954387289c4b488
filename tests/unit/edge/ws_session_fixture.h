#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>

#include "gateway/edge/ws_session.h"
#include "tests/support/test_edge.h"

// What the tests of WebSocket sessions share.
namespace carillon::edge {

using test::RawWsClient;
using test::TestEdge;

inline constexpr char kPing[] = R"({"action":"ping"})";

class WsSessionTest : public ::testing::Test {
 protected:
  EndpointRules& endpoint() { return options_.endpoints[0]; }
  hub::SessionSettings& settings() { return endpoint().session; }

  // The edge of these options; made when first asked for.
  TestEdge& edge() {
    if (edge_ == nullptr) edge_ = std::make_unique<TestEdge>(options_);
    return *edge_;
  }

  // Says these bytes and expects to be closed with the code, after which the connection ends.
  void ExpectClose(std::string_view bytes, int code) {
    RawWsClient client = edge().Join();
    client.Send(bytes);
    RawWsClient::Frame frame;
    while ((frame = client.ReadFrame()).opcode != 8) ASSERT_NE(frame.opcode, -1) << "ended without a close frame";
    EXPECT_EQ(frame.code(), code);
    client.SendClose(static_cast<uint16_t>(frame.code()));
    EXPECT_EQ(client.ReadFrame().opcode, -1);
  }

  // Waits until the gateway has counted that many sessions as ended with the code.
  void ExpectEnded(wire::CloseCode code, uint64_t times) {
    size_t row = static_cast<size_t>(&wire::InfoOf(code) - wire::CloseTable().data());
    auto deadline = std::chrono::steady_clock::now() + test::kPatience;
    while (edge().node().shard(0).stats().closed[row].value() < times) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << wire::InfoOf(code).name;
      std::this_thread::yield();
    }
  }

  EdgeOptions options_ = TestEdge::Options();
  std::unique_ptr<TestEdge> edge_;
};

}  // namespace carillon::edge
