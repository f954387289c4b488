#include "gateway/hub/node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "tests/support/fake_session.h"
#include "tests/support/test_node.h"

namespace carillon::hub {
namespace {

using test::FakeSession;
using test::MakeFrame;
using test::StreamTopic;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr ShardIndex kShards = 3;

class NodeTest : public ::testing::Test {
 protected:
  // The answers of an ask, when they are there.
  template <class Question, class Answer = std::invoke_result_t<Question, Shard&>>
  typename Gather<Answer>::Result Ask(ShardSet shards, Question question) {
    using Result = typename Gather<Answer>::Result;
    std::promise<Result> promise;
    std::future<Result> future = promise.get_future();
    node_.node().Ask(shards, question, [&promise](Result result) { promise.set_value(std::move(result)); });
    EXPECT_EQ(future.wait_for(test::kPatience), std::future_status::ready);
    return future.get();
  }

  test::TestNode node_{kShards, {.mailbox_messages = 100, .mailbox_bytes = 1 << 20}};
};

TEST_F(NodeTest, AMessageReachesSessionsOnEveryShard) {
  std::vector<std::unique_ptr<FakeSession>> sessions;
  for (ShardIndex shard = 0; shard < kShards; ++shard) {
    sessions.push_back(std::make_unique<FakeSession>(node_, shard, FakeSession::Options{.streams = {"chat"}}));
  }
  FakeSession elsewhere(node_, 1, {.streams = {"news"}});

  auto published = node_.node().Publish(StreamTopic("chat"), MakeFrame("hello"));
  node_.Settle();

  EXPECT_EQ(published->sessions, 3u);
  for (auto& session : sessions) EXPECT_THAT(session->Heard(), ElementsAre("hello"));
  EXPECT_THAT(elsewhere.Heard(), IsEmpty());
}

TEST_F(NodeTest, ShardsThatNobodyListensOnAreLeftAlone) {
  FakeSession session(node_, 2, {.streams = {"chat"}});

  (void)node_.node().Publish(StreamTopic("chat"), MakeFrame("hello"));
  node_.Settle();

  EXPECT_EQ(node_.node().shard(0).stats().messages.value(), 0u);
  EXPECT_EQ(node_.node().shard(2).stats().messages.value(), 1u);
}

TEST_F(NodeTest, OneEncodingServesEveryShard) {
  std::vector<std::unique_ptr<FakeSession>> sessions;
  for (int i = 0; i < 9; ++i) {
    sessions.push_back(std::make_unique<FakeSession>(node_, static_cast<ShardIndex>(i % kShards),
                                                     FakeSession::Options{.streams = {"chat"}}));
  }
  wire::FramePtr frame = MakeFrame("hello");

  (void)node_.node().Publish(StreamTopic("chat"), frame);
  node_.Settle();

  std::string_view shared = frame->Encoded(wire::Encoding::kNativeJson,
                                           [](const v1::Envelope&, std::string&) { FAIL() << "was not encoded yet"; });
  for (auto& session : sessions) EXPECT_EQ(session->Written(), shared);
  EXPECT_EQ(frame->use_count(), 1u);  // nobody keeps it
}

TEST_F(NodeTest, AnAskCollectsAnAnswerOfEachShard) {
  auto result = Ask(node_.node().all_shards(), [](Shard& shard) { return static_cast<int>(shard.index()); });

  EXPECT_THAT(result.answers, UnorderedElementsAre(0, 1, 2));
  EXPECT_FALSE(result.partial);
}

TEST_F(NodeTest, AnAskOfNobodyIsAnsweredAtOnce) {
  auto result = Ask(0, [](Shard&) { return 1; });

  EXPECT_THAT(result.answers, IsEmpty());
  EXPECT_FALSE(result.partial);
}

TEST_F(NodeTest, AnAskDoesNotWaitForeverForAStuckShard) {
  test::TestNode::Hold stuck(node_, 1);

  auto result = Ask(node_.node().all_shards(), [](Shard& shard) { return static_cast<int>(shard.index()); });

  EXPECT_THAT(result.answers, UnorderedElementsAre(0, 2));
  EXPECT_TRUE(result.partial);
}

TEST_F(NodeTest, AFullMailboxRefusesAndLeavesNoHole) {
  FakeSession session(node_, 1, {.streams = {"chat"}});
  int accepted = 0;
  {
    test::TestNode::Hold stuck(node_, 1);
    absl::Status refused;
    while (refused.ok()) {
      refused = node_.node().Publish(StreamTopic("chat"), MakeFrame(std::to_string(accepted))).status();
      accepted += refused.ok() ? 1 : 0;
    }
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(accepted, 100);
    // Other shards' streams are not held up.
    FakeSession other(node_, 0, {.streams = {"news"}});
    EXPECT_TRUE(node_.node().Publish(StreamTopic("news"), MakeFrame("x")).ok());
  }
  node_.Settle();
  EXPECT_TRUE(node_.node().Publish(StreamTopic("chat"), MakeFrame(std::to_string(accepted))).ok());
  node_.Settle();

  std::vector<std::string> expected;
  for (int i = 0; i <= accepted; ++i) expected.push_back(std::to_string(i));
  EXPECT_EQ(session.Heard(), expected);
}

TEST_F(NodeTest, WhatIsPutOffHappensOnce) {
  std::atomic<int> calls{0};
  std::promise<void> later;
  node_.node().After(std::chrono::milliseconds(1), [&] { ++calls; });
  node_.node().After(std::chrono::milliseconds(20), [&] { later.set_value(); });

  EXPECT_EQ(later.get_future().wait_for(test::kPatience), std::future_status::ready);
  EXPECT_EQ(calls.load(), 1);
}

TEST_F(NodeTest, WhatCameTogetherWakesItsShardsOnceAtTheEnd) {
  FakeSession on_one(node_, 1, {.streams = {"chat"}});
  FakeSession on_two(node_, 2, {.streams = {"chat"}});
  node_.Settle();
  {
    Node::WakeAtEnd together(node_.node());
    for (const char* event : {"one", "two", "three"}) {
      ASSERT_TRUE(node_.node().Publish(StreamTopic("chat"), MakeFrame(event)).ok());
    }
    EXPECT_EQ(node_.node().shard(1).mailbox().messages(), 3u);  // nobody has been told
  }
  node_.Settle();

  EXPECT_THAT(on_one.Heard(), ElementsAre("one", "two", "three"));
  EXPECT_THAT(on_two.Heard(), ElementsAre("one", "two", "three"));
  EXPECT_EQ(on_one.flushes(), 1);
}

TEST_F(NodeTest, MetricsAddUpOverTheShards) {
  FakeSession first(node_, 0, {.user = "alice", .streams = {"chat"}});
  FakeSession second(node_, 1, {.user = "alice", .streams = {"chat"}});
  (void)node_.node().Publish(StreamTopic("chat"), MakeFrame("x"));
  node_.Settle();

  MetricsWriter writer;
  node_.node().Collect(writer);
  std::string text = writer.Text();

  EXPECT_THAT(text, HasSubstr("carillon_connections{transport=\"websocket\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("carillon_streams 1\n"));
  EXPECT_THAT(text, HasSubstr("carillon_users 1\n"));
  EXPECT_THAT(text, HasSubstr("carillon_deliveries_total 2\n"));
  EXPECT_THAT(text, HasSubstr("carillon_shard_messages_total 2\n"));
}

TEST(NodeLimitsTest, SixtyFourShardsAreASet) {
  boost::asio::io_context timers;
  NodeOptions options;
  options.shards = 64;
  Node node(options, timers);

  EXPECT_EQ(node.all_shards(), ~ShardSet{0});
  options.shards = 1;
  EXPECT_EQ(Node(options, timers).all_shards(), ShardBit(0));
}

}  // namespace
}  // namespace carillon::hub
