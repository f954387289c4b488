#include "gateway/edge/tapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/hub/tap.h"
#include "tests/support/fake_session.h"
#include "tests/support/test_node.h"

namespace carillon::edge {
namespace {

class TappingTest : public ::testing::Test {
 protected:
  TappingTest() {
    tap_ = std::make_shared<hub::Tap>(
        wire::Topic(wire::kDefaultApp, wire::TopicKind::kSession, session_.id().ToString()), hub::Tap::Sample{});
    node_.On(0, [this](hub::Shard& shard) { return hub::Attach(shard, tap_); });
  }

  hub::Said Show(std::string_view message) {
    session_.With([&](hub::Session& session) {
      ShowSaid(session, dialect::Native().Parse(wire::Opcode::kText, message), message.size());
    });
    auto taken = tap_->Take(10, 1 << 20);
    EXPECT_EQ(taken.frames.size(), 1u);
    return *taken.frames.at(0).said;
  }

  test::TestNode node_;
  test::FakeSession session_{node_, 0, {.user = "alice"}};
  std::shared_ptr<hub::Tap> tap_;
};

TEST_F(TappingTest, WhatIsPublished) {
  std::string_view message = R"({"action":"publish","stream":"chat","event":"message","data":{"a":1}})";
  hub::Said said = Show(message);
  EXPECT_EQ(said.action, "publish");
  EXPECT_EQ(said.stream, "chat");
  EXPECT_EQ(said.event, "message");
  EXPECT_EQ(said.json, R"({"a":1})");
  EXPECT_EQ(said.bytes, message.size());
  EXPECT_FALSE(said.secret);
}

TEST_F(TappingTest, OtherActions) {
  EXPECT_EQ(Show(R"({"action":"subscribe","streams":["a","b\n"]})").json, R"({"streams":["a","b\n"]})");
  EXPECT_EQ(Show(R"({"action":"unsubscribe","streams":["a"]})").json, R"({"streams":["a"]})");
  EXPECT_EQ(Show(R"({"action":"ping","data":[7]})").json, "[7]");
  EXPECT_EQ(Show(R"({"action":"ping"})").json, "");
  EXPECT_EQ(Show(R"({"action":"members","stream":"presence-room"})").stream, "presence-room");
  EXPECT_EQ(Show(R"({"action":"presence","status":"away","text":"lunch"})").json, R"({"text":"lunch"})");
}

TEST_F(TappingTest, ATokenIsNeverShown) {
  for (std::string_view message : {
           R"({"action":"auth","token":"hush"})",
           R"({"action":"auth","token":["hush"]})",
           R"({"action":"auth","token":"hush")",
           R"({"action":"subscribe","streams":["a"],"tokens":{"a":"hush"}})",
           R"({"action":"subscribe","streams":["a"],"tokens":"hush"})",
           R"({"action":"publish","event":"auth","data":{"token":"hush"}})",
           R"({"action":"members","stream":"a","token":"hush"})",
           R"({"action":"ping","token":"hush"})",
           R"({"action":"hush"})",
           R"("hush")",
           "hush",
       }) {
    hub::Said said = Show(message);
    for (const std::string& part : {said.action, said.stream, said.event, said.json}) {
      EXPECT_EQ(part.find("hush"), std::string::npos) << message;
    }
  }
  EXPECT_TRUE(Show(R"({"action":"auth","token":"hush"})").secret);
  EXPECT_TRUE(Show("hush").secret);
}

}  // namespace
}  // namespace carillon::edge
