#include "gateway/edge/ws_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "gateway/hub/answers.h"
#include "gateway/hub/farewell.h"
#include "tests/unit/edge/ws_session_fixture.h"

namespace carillon::edge {
namespace {

using std::chrono::milliseconds;
using test::ClientFrame;
using test::MakeFrame;
using test::StreamTopic;
using ::testing::HasSubstr;

TEST_F(WsSessionTest, TalksAndHears) {
  RawWsClient client = edge().Join("/ws/chat");
  client.SendText(R"({"action":"ping","id":1})");
  EXPECT_THAT(client.ReadFrame().payload, HasSubstr("pong"));

  EXPECT_EQ(edge().node().Publish(StreamTopic("chat"), MakeFrame("hello"))->sessions, 1u);

  EXPECT_THAT(client.ReadFrame().payload, HasSubstr("\"event\":\"hello\""));
}

TEST_F(WsSessionTest, AFragmentedMessageIsOneMessage) {
  RawWsClient client = edge().Join();
  client.SendFrame(1, "{\"action\":", false);
  client.SendFrame(9, "in between");
  client.SendFrame(0, "", false);
  client.SendFrame(0, "\"ping\"}", true);

  EXPECT_EQ(client.ReadFrame().opcode, 10);
  EXPECT_THAT(client.ReadFrame().payload, HasSubstr("pong"));
}

TEST_F(WsSessionTest, MessagesOfManySizesAndCutsArriveWhole) {
  for (size_t size : {1u, 200u, 255u, 256u, 257u, 600u, 8191u, 8192u, 8193u, 20000u, 60000u}) {
    RawWsClient client = edge().Join();
    std::string text =
        R"({"action":"dance","x":")" + std::string(size, 'x') + R"(","id":)" + std::to_string(size) + "}";
    client.SendFrame(1, text.substr(0, size / 2), false);
    client.SendFrame(0, text.substr(size / 2), true);

    EXPECT_THAT(client.ReadFrame().payload, HasSubstr("\"id\":" + std::to_string(size))) << size;
  }
}

TEST_F(WsSessionTest, WhatComesWithTheRequestIsHeardAfterIt) {
  RawWsClient client = edge().Connect();
  client.Send(
      "GET /ws HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" +
      ClientFrame(1, kPing) + ClientFrame(1, R"({"action":"ping","id":2})"));

  EXPECT_THAT(client.ReadHead(), HasSubstr("101"));
  EXPECT_THAT(client.ReadFrame().payload, HasSubstr("welcome"));
  EXPECT_THAT(client.ReadFrame().payload, HasSubstr("pong"));
  EXPECT_THAT(client.ReadFrame().payload, HasSubstr("\"id\":2"));
}

TEST_F(WsSessionTest, AGoodbyeIsAnsweredInKindAndTheConnectionEnds) {
  for (int code : {1000, 1001, 3000, 4999}) {
    RawWsClient client = edge().Join();
    client.SendClose(static_cast<uint16_t>(code));

    RawWsClient::Frame answer = client.ReadFrame();

    EXPECT_EQ(answer.opcode, 8);
    EXPECT_EQ(answer.code(), code);
    EXPECT_EQ(client.ReadFrame().opcode, -1);
  }
  RawWsClient client = edge().Join();
  client.SendFrame(8, "");
  EXPECT_EQ(client.ReadFrame().opcode, 8);
  EXPECT_EQ(client.ReadFrame().opcode, -1);
  client.ShutDown();
  ExpectEnded(wire::CloseCode::kNoStatus, 1);
}

TEST_F(WsSessionTest, NothingIsHeardAfterTheGoodbye) {
  RawWsClient client = edge().Join("/ws/chat");
  edge().test_node().On(0, [&](hub::Shard& shard) {
    hub::KickMembers(shard, StreamTopic("chat"), static_cast<wire::CloseCode>(4005), "out");
    (void)edge().node().Publish(StreamTopic("chat"), MakeFrame("late"));
  });
  client.SendText(kPing);

  RawWsClient::Frame frame = client.ReadFrame();
  EXPECT_EQ(frame.code(), 4005);
  EXPECT_EQ(frame.reason(), "out");
  client.SendClose(4005);
  EXPECT_EQ(client.ReadFrame().opcode, -1);
}

TEST_F(WsSessionTest, ARefusalMayBeToldAsACloseCode) {
  options_.endpoints[1].close_on_refusal = true;
  RawWsClient client = edge().Connect();

  ASSERT_EQ(client.Upgrade("/private?token=bad"), 101);
  RawWsClient::Frame frame = client.ReadFrame();

  EXPECT_EQ(frame.code(), 4001);
  EXPECT_THAT(frame.reason(), HasSubstr("token"));
}

TEST_F(WsSessionTest, R31AFirstFrameTokenMustComeInTime) {
  options_.endpoints[1].session.auth_timeout = milliseconds(100);
  RawWsClient client = edge().Connect();
  ASSERT_EQ(client.Upgrade("/private"), 101);

  EXPECT_EQ(client.ReadFrame().code(), 4009);
}

TEST_F(WsSessionTest, WhoIsSentHomeWhileABackendIsAskedIsHeardOut) {
  auth::StreamAccess asked;
  asked.pattern = "asked-*";
  asked.subscribe_hook = "main";
  auth::App app = test::DefaultApp();
  app.catalogue = auth::Catalogue({asked});
  edge().apps().Set(test::AppsOf(std::move(app)));
  edge().test_node().On(0, [](hub::Shard& shard) { hub::Farewell::Begin(shard, {}, milliseconds(0)); });
  RawWsClient client = edge().Connect();
  ASSERT_EQ(client.Upgrade("/ws/asked-1"), 101);
  RawWsClient::Frame frame = client.ReadFrame();
  while (frame.opcode == 1) frame = client.ReadFrame();
  ASSERT_EQ(frame.code(), 4200);
  client.SendClose(4200);

  EXPECT_EQ(client.ReadFrame().opcode, -1);
  EXPECT_FALSE(client.was_reset());
}

TEST_F(WsSessionTest, AFirstFrameTokenBringsTheWelcome) {
  options_.endpoints[1].session.auth_timeout = std::chrono::seconds(60);
  RawWsClient client = edge().Connect();
  ASSERT_EQ(client.Upgrade("/private?streams=chat"), 101);
  client.SendText(R"({"action":"auth","token":")" + test::MakeToken(R"({"sub":"alice","exp":4102444800})") + "\"}");

  EXPECT_THAT(client.ReadFrame().payload, HasSubstr("\"id\":\"alice\""));
  EXPECT_EQ(edge().node().Find(StreamTopic("chat")).sessions, 1u);
}

TEST_F(WsSessionTest, R36PingsAreSentAndSilenceEndsIn4201) {
  settings().ping_interval = milliseconds(100);
  settings().peer_timeout = milliseconds(1500);
  RawWsClient client = edge().Join();

  RawWsClient::Frame frame = client.ReadFrame();
  EXPECT_EQ(frame.opcode, 9);
  while (frame.opcode == 9) frame = client.ReadFrame();  // read, but not answered

  EXPECT_EQ(frame.code(), 4201);
  client.Reset();
  ExpectEnded(wire::CloseCode::kPingTimeout, 1);
}

TEST_F(WsSessionTest, R36AnAnsweredPingKeepsTheSession) {
  settings().ping_interval = milliseconds(100);
  settings().peer_timeout = milliseconds(1500);
  RawWsClient client = edge().Join();

  auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() < begin + milliseconds(1800)) {
    RawWsClient::Frame frame = client.ReadFrame();
    ASSERT_EQ(frame.opcode, 9);
    client.SendFrame(10, frame.payload);
  }
}

TEST_F(WsSessionTest, R35AReaderThatTakesNothingIsResetAndRecordedAsSlow) {
  settings().write_deadline = milliseconds(200);
  settings().outbox_bytes = 1 << 30;
  endpoint().send_buffer_bytes = 4096;
  RawWsClient client = edge().Join("/ws/chat");

  for (int i = 0; i < 40; ++i) (void)edge().node().Publish(StreamTopic("chat"), MakeFrame("m", "chat", 400'000));

  ExpectEnded(wire::CloseCode::kSlowConsumer, 1);
}

TEST_F(WsSessionTest, R34ASlowReaderThatResumesReads4101Last) {
  settings().outbox_bytes = 64 << 10;
  endpoint().send_buffer_bytes = 4096;
  RawWsClient client = edge().Join("/ws/chat");
  while (edge().node().shard(0).stats().slow_consumers.value() == 0) {
    (void)edge().node().Publish(StreamTopic("chat"), MakeFrame("m", "chat", 20'000));
    edge().test_node().Settle();
  }

  RawWsClient::Frame frame;
  while ((frame = client.ReadFrame()).opcode == 1) {
  }
  EXPECT_EQ(frame.opcode, 8);
  EXPECT_EQ(frame.code(), 4101);
}

// The socket of a slow session turns out to be broken when its goodbye is written, while its stream is being walked.
TEST_F(WsSessionTest, ASlowReaderThatIsGoneTakesNobodyWithIt) {
  settings().outbox_bytes = 64 << 10;
  std::vector<RawWsClient> gone;
  std::vector<RawWsClient> staying;
  for (int i = 0; i < 4; ++i) {
    gone.push_back(edge().Join("/ws/chat"));
    staying.push_back(edge().Join());
  }

  {
    test::TestNode::Hold hold(edge().test_node(), 0);
    for (RawWsClient& client : gone) client.Reset();
    for (int i = 0; i < 8; ++i) {
      (void)edge().node().Publish(StreamTopic("chat"), MakeFrame("m", "chat", 20'000));
    }
  }

  edge().test_node().Settle();
  for (RawWsClient& client : staying) {
    client.SendText(kPing);
    EXPECT_THAT(client.ReadFrame().payload, HasSubstr("pong"));
  }
  EXPECT_EQ(edge().node().Find(StreamTopic("chat")).sessions, 0u);
}

class FaultyDialect : public dialect::Dialect {
 public:
  dialect::Command Parse(wire::Opcode, std::string_view payload) const override {
    if (payload == "fault") throw std::runtime_error("a fault of ours");
    return dialect::Echo{wire::Opcode::kText, payload};
  }
  void AppendReply(std::string& out, const dialect::Reply& reply) const override {
    dialect::Native().AppendReply(out, reply);
  }
  wire::Encoding encoding() const override { return dialect::Native().encoding(); }
  wire::Frame::Encode encode() const override { return dialect::Native().encode(); }
  bool receives_broadcasts() const override { return true; }
};

TEST_F(WsSessionTest, R42AFaultOfOursEndsThatSessionOnlyWith1011) {
  FaultyDialect faulty;
  settings().dialect = &faulty;
  RawWsClient other = edge().Join();
  RawWsClient client = edge().Join();

  client.SendText("fault");
  RawWsClient::Frame frame = client.ReadFrame();
  other.SendText("still here");

  EXPECT_EQ(frame.opcode, 8);
  EXPECT_EQ(frame.code(), 1011);
  EXPECT_EQ(other.ReadFrame().payload, "still here");
  client.SendClose(1011);
  EXPECT_EQ(client.ReadFrame().opcode, -1);
  client.ShutDown();
  ExpectEnded(wire::CloseCode::kInternal, 1);
  edge_.reset();  // before the dialect goes
}

TEST_F(WsSessionTest, SessionsThatEndAreForgotten) {
  for (int round = 0; round < 20; ++round) {
    RawWsClient client = edge().Join("/ws/chat");
    if (round % 2 == 0) client.Reset();
  }
  auto deadline = std::chrono::steady_clock::now() + test::kPatience;
  while (edge().node().shard(0).stats().sessions.value() > 0) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }

  EXPECT_EQ(edge().node().Find(StreamTopic("chat")).sessions, 0u);
  EXPECT_EQ(edge().node().Find(test::Everyone()).sessions, 0u);
}

}  // namespace
}  // namespace carillon::edge
