#include "gateway/hub/reports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_session.h"
#include "tests/support/test_node.h"

namespace carillon::hub {
namespace {

using test::FakeSession;
using test::StreamTopic;
using ::testing::ElementsAre;

class ReportsTest : public ::testing::Test {
 protected:
  std::vector<SessionId> List(const SessionFilter& filter, SessionId after = {}, size_t limit = 100,
                              wire::AppId app = wire::kDefaultApp) {
    auto reports = node_.On(0, [&](Shard& shard) { return ListSessions(shard, app, filter, after, limit); });
    std::vector<SessionId> ids;
    for (const SessionReport& report : reports) ids.push_back(report.session.id);
    return ids;
  }
  std::optional<SessionDetails> Describe(const SessionId& id, wire::AppId app = wire::kDefaultApp, size_t limit = 10) {
    return node_.On(0, [&](Shard& shard) { return DescribeSession(shard, app, id, limit); });
  }

  test::TestNode node_;
};

TEST_F(ReportsTest, SessionsAreListedByWhatTheirTokensSay) {
  FakeSession phone(node_, 0, {.user = "alice", .labels = {{"team", "red"}, {"device", "phone"}}});
  FakeSession laptop(node_, 0, {.user = "alice", .labels = {{"team", "red"}}});
  FakeSession bob(node_, 0, {.user = "bob", .labels = {{"team", "blue"}}});
  FakeSession nobody(node_, 0, {});
  FakeSession elsewhere(node_, 0, {.user = "alice", .app = 1});
  auto sorted = [](std::vector<SessionId> ids) {
    std::sort(ids.begin(), ids.end());
    return ids;
  };
  EXPECT_EQ(List({}), sorted({phone.id(), laptop.id(), bob.id(), nobody.id()}));
  EXPECT_EQ(List({.user_id = "alice"}), sorted({phone.id(), laptop.id()}));
  EXPECT_EQ(List({.labels = {{"team", "red"}}}), sorted({phone.id(), laptop.id()}));
  EXPECT_THAT(List({.labels = {{"team", "red"}, {"device", "phone"}}}), ElementsAre(phone.id()));
  EXPECT_THAT(List({.user_id = "bob", .labels = {{"team", "red"}}}), ElementsAre());
  EXPECT_THAT(List({}, {}, 100, 1), ElementsAre(elsewhere.id()));
  auto all = List({});
  EXPECT_THAT(List({}, all[1], 1), ElementsAre(all[2]));
}

TEST_F(ReportsTest, ASessionIsDescribedWithItsStreams) {
  FakeSession alice(node_, 0, {.user = "alice", .streams = {"b", "a", "c"}});
  ASSERT_TRUE(node_.node().Publish(StreamTopic("a"), test::MakeFrame("x", "a", 10)).ok());
  node_.Settle();
  auto found = Describe(alice.id());
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->report.session.identity->user_id, "alice");
  EXPECT_EQ(found->report.peer.address, "203.0.113.7");
  EXPECT_EQ(found->report.streams, 3u);
  EXPECT_EQ(found->report.queued, 1u);
  EXPECT_THAT(found->streams, ElementsAre("a", "b", "c"));
  EXPECT_THAT(Describe(alice.id(), wire::kDefaultApp, 2)->streams, ElementsAre("a", "b"));
  EXPECT_FALSE(Describe(alice.id(), 1).has_value());
  EXPECT_FALSE(Describe({0, alice.id().key + 1}).has_value());
}

TEST_F(ReportsTest, TheSlowestSessionsAreListedWithWhatItCostThem) {
  FakeSession quick(node_, 0, {.streams = {"chat"}});
  FakeSession slow(node_, 0, {.user = "slow", .streams = {"chat"}, .blocked = true});
  FakeSession slower(node_, 0, {.user = "slower", .streams = {"chat", "news"}, .blocked = true});
  for (const char* stream : {"chat", "news"}) {
    ASSERT_TRUE(node_.node().Publish(StreamTopic(stream), test::MakeFrame("x", stream, 100)).ok());
  }
  node_.Settle();

  auto list = node_.On(0, [](Shard& shard) { return ListSlow(shard, wire::kDefaultApp, 10); });

  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].session.identity->user_id, "slower");
  EXPECT_EQ(list[0].lag.messages, 2u);
  EXPECT_GT(list[0].lag.bytes, list[1].lag.bytes);
  EXPECT_EQ(list[1].session.id, slow.id());
  EXPECT_TRUE(list[1].lag.lost.none());
  EXPECT_EQ(node_.On(0, [](Shard& shard) { return ListSlow(shard, wire::kDefaultApp, 1); }).size(), 1u);
  EXPECT_TRUE(node_.On(0, [](Shard& shard) { return ListSlow(shard, 1, 10); }).empty());  // of another app
}

// When thousands are slow there is least time for it.
TEST_F(ReportsTest, OfTheSlowestOnlyThoseThatAreListedAreDescribed) {
  std::vector<std::unique_ptr<FakeSession>> slow;
  for (int i = 0; i < 20; ++i) {
    slow.push_back(std::make_unique<FakeSession>(node_, 0, FakeSession::Options{.streams = {"chat"}, .blocked = true}));
  }
  ASSERT_TRUE(node_.node().Publish(StreamTopic("chat"), test::MakeFrame("x", "chat", 100)).ok());
  node_.Settle();

  EXPECT_EQ(node_.On(0, [](Shard& shard) { return ListSlow(shard, wire::kDefaultApp, 3); }).size(), 3u);

  int asked = 0;
  node_.On(0, [&](Shard&) {
    for (const auto& session : slow) asked += session->asked_for_peer();
    return 0;
  });
  EXPECT_EQ(asked, 3);
}

}  // namespace
}  // namespace carillon::hub
