#include "gateway/hub/answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/support/fake_session.h"
#include "tests/support/test_node.h"

namespace carillon::hub {
namespace {

using test::FakeSession;
using test::StreamTopic;
using test::UserTopic;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::SizeIs;

class AnswersTest : public ::testing::Test {
 protected:
  std::vector<SessionInfo> List(const wire::TopicView& topic, SessionId after = {}, size_t limit = 1000) {
    return node_.On(0, [&](Shard& shard) { return ListMembers(shard, topic, after, limit); });
  }
  uint32_t Kick(const wire::TopicView& topic, wire::CloseCode code = wire::CloseCode::kKicked) {
    return node_.On(0, [&](Shard& shard) { return KickMembers(shard, topic, code, "out"); });
  }

  test::TestNode node_;
};

TEST_F(AnswersTest, AListTellsWhoIsThere) {
  FakeSession alice(node_, 0, {.user = "alice", .streams = {"chat"}, .labels = {{"device", "phone"}}});
  FakeSession nobody(node_, 0, {.streams = {"chat"}});
  FakeSession elsewhere(node_, 0, {.user = "bob"});

  std::vector<SessionInfo> list = List(StreamTopic("chat"));

  ASSERT_THAT(list, SizeIs(2));
  const SessionInfo& info = list[0].id == alice.id() ? list[0] : list[1];
  const SessionInfo& other = list[0].id == alice.id() ? list[1] : list[0];
  EXPECT_EQ(info.id, alice.id());
  EXPECT_EQ(info.identity->user_id, "alice");
  EXPECT_EQ(info.identity->labels.at("device"), "phone");
  EXPECT_EQ(other.id, nobody.id());
  EXPECT_EQ(other.identity, nullptr);
  EXPECT_THAT(List(StreamTopic("empty")), IsEmpty());
}

TEST_F(AnswersTest, PagesAreInOrderAndMissNobody) {
  std::vector<std::unique_ptr<FakeSession>> sessions;
  std::vector<SessionId> expected;
  for (int i = 0; i < 25; ++i) {
    sessions.push_back(std::make_unique<FakeSession>(node_, 0, FakeSession::Options{.streams = {"chat"}}));
    expected.push_back(sessions.back()->id());
  }
  std::sort(expected.begin(), expected.end());

  std::vector<SessionId> all;
  SessionId after;
  for (;;) {
    std::vector<SessionInfo> page = List(StreamTopic("chat"), after, 7);
    if (page.empty()) break;
    for (const SessionInfo& info : page) all.push_back(info.id);
    after = all.back();
  }

  EXPECT_EQ(all, expected);
}

TEST_F(AnswersTest, OneSessionIsATopicOfItsOwn) {
  FakeSession session(node_, 0, {});
  std::string id = session.id().ToString();

  EXPECT_THAT(List({0, wire::TopicKind::kSession, id}), SizeIs(1));
  EXPECT_THAT(List({0, wire::TopicKind::kSession, "00000000000000000000"}), IsEmpty());
  EXPECT_THAT(List({0, wire::TopicKind::kSession, "no session id"}), IsEmpty());
}

TEST_F(AnswersTest, KickClosesTheMembersAndCountsThem) {
  FakeSession tab1(node_, 0, {.user = "alice"});
  FakeSession tab2(node_, 0, {.user = "alice"});
  FakeSession tab3(node_, 0, {.user = "alice"});
  FakeSession bob(node_, 0, {.user = "bob"});

  EXPECT_EQ(Kick(UserTopic("alice"), static_cast<wire::CloseCode>(4999)), 3u);

  for (FakeSession* tab : {&tab1, &tab2, &tab3}) {
    EXPECT_THAT(tab->closed(), Optional(4999));
    EXPECT_EQ(tab->reason(), "out");
  }
  EXPECT_EQ(bob.closed(), std::nullopt);
}

TEST_F(AnswersTest, WhoIsLeavingIsNeitherListedNorKickedAgain) {
  FakeSession session(node_, 0, {.user = "alice", .streams = {"chat"}});
  std::string id = session.id().ToString();

  node_.On(0, [&](Shard& shard) {
    EXPECT_EQ(KickMembers(shard, UserTopic("alice"), wire::CloseCode::kKicked, "out"), 1u);
    EXPECT_EQ(KickMembers(shard, UserTopic("alice"), wire::CloseCode::kKicked, "out"), 0u);
    EXPECT_EQ(KickMembers(shard, {0, wire::TopicKind::kSession, id}, wire::CloseCode::kKicked, "out"), 0u);
    EXPECT_THAT(ListMembers(shard, StreamTopic("chat"), {}, 10), IsEmpty());
  });

  EXPECT_EQ(session.closes(), 1);
}

TEST_F(AnswersTest, AKickWithinATurnCountsEachSessionOnce) {
  FakeSession session(node_, 0, {.user = "alice"});
  std::vector<uint32_t> counts;
  {
    test::TestNode::Hold hold(node_, 0);
    for (int i = 0; i < 3; ++i) {
      node_.node().Tell(node_.node().all_shards(), [&](Shard& shard) {
        counts.push_back(KickMembers(shard, UserTopic("alice"), wire::CloseCode::kKicked, "out"));
      });
    }
  }
  node_.Settle();

  EXPECT_THAT(counts, ElementsAre(1, 0, 0));
}

TEST_F(AnswersTest, AUserIsSubscribedAndTold) {
  FakeSession phone(node_, 0, {.user = "alice"});
  FakeSession laptop(node_, 0, {.user = "alice", .streams = {"room"}});
  FakeSession other(node_, 0, {.user = "bob"});
  auth::StreamAccess closed{.pattern = "room", .subscribe = {auth::Access::Who::kNobody, {}, {}}};
  auto subscribe = [&](std::optional<SessionId> only, bool full) {
    auto answer =
        node_.On(0, [&](Shard& shard) { return SubscribeUser(shard, UserTopic("alice"), only, "room", closed, full); });
    return std::pair(answer.sessions, answer.refused);
  };

  EXPECT_EQ(subscribe(std::nullopt, true), std::pair(1u, 1u));
  EXPECT_EQ(subscribe(laptop.id(), false), std::pair(1u, 0u));
  EXPECT_EQ(subscribe(other.id(), false), std::pair(0u, 0u));  // is not Alice's
  EXPECT_EQ(node_.node().Find(StreamTopic("room")).sessions, 1u);
  EXPECT_EQ(subscribe(phone.id(), false), std::pair(1u, 0u));
  EXPECT_EQ(subscribe(std::nullopt, false), std::pair(2u, 0u));
  EXPECT_EQ(node_.node().Find(StreamTopic("room")).sessions, 2u);
  EXPECT_THAT(phone.Heard(), ElementsAre("subscribed"));
  EXPECT_THAT(laptop.Heard(), IsEmpty());

  auto leave = [&](std::optional<SessionId> only) {
    return node_.On(0, [&](Shard& shard) { return UnsubscribeUser(shard, UserTopic("alice"), only, "room"); });
  };
  EXPECT_EQ(leave(phone.id()), 1u);
  EXPECT_EQ(leave(phone.id()), 0u);
  EXPECT_EQ(leave(std::nullopt), 1u);
  EXPECT_EQ(node_.node().Find(StreamTopic("room")).sessions, 0u);
  EXPECT_THAT(phone.Heard(), ElementsAre("subscribed", "unsubscribed"));
  EXPECT_THAT(laptop.Heard(), ElementsAre("unsubscribed"));
}

TEST_F(AnswersTest, ASessionWithItsStreamsIsGivenNoMore) {
  SessionSettings settings;
  settings.max_subscriptions = 1;
  FakeSession alice(node_, 0, {.user = "alice", .streams = {"one"}, .settings = settings});
  auto answer = node_.On(0, [&](Shard& shard) {
    return SubscribeUser(shard, UserTopic("alice"), std::nullopt, "two", auth::StreamAccess(), false);
  });
  EXPECT_EQ(answer.sessions, 0u);
  EXPECT_EQ(answer.refused, 1u);
}

TEST_F(AnswersTest, WhatARuleImposesHoldsForThoseWhoAreSubscribed) {
  FakeSession red(node_, 0, {.user = "alice", .labels = {{"team", "red"}}});
  FakeSession nobody(node_, 0, {.user = "alice"});
  auth::StreamAccess rule{.pattern = "room", .filter = {{"team", "{team}"}}};
  auto answer = node_.On(
      0, [&](Shard& shard) { return SubscribeUser(shard, UserTopic("alice"), std::nullopt, "room", rule, false); });
  EXPECT_EQ(answer.sessions, 1u);
  EXPECT_EQ(answer.refused, 1u);
  auto filter = red.With([](Session& session) { return session.FilterOf(StreamTopic("room")); });
  ASSERT_NE(filter, nullptr);
  EXPECT_EQ(filter->imposed.at("team"), "red");
}

TEST_F(AnswersTest, SessionsMayVanishWhileTheyAreKicked) {
  std::vector<std::unique_ptr<FakeSession>> sessions;
  for (int i = 0; i < 10; ++i) {
    sessions.push_back(std::make_unique<FakeSession>(
        node_, 0, FakeSession::Options{.streams = {"chat"}, .dies_when_closed = i % 2 == 0}));
  }

  uint32_t kicked = 0;
  node_.node().Tell(node_.node().all_shards(), [&](Shard& shard) {
    kicked = KickMembers(shard, StreamTopic("chat"), wire::CloseCode::kKicked, "out");
  });
  node_.Settle();

  EXPECT_EQ(kicked, 10u);
  EXPECT_EQ(node_.node().Find(StreamTopic("chat")).sessions, 0u);
}

TEST_F(AnswersTest, ASessionIsKnownInItsOwnAppOnly) {
  FakeSession shop(node_, 0, {.user = "alice", .app = 1, .streams = {"chat"}});
  std::string id = shop.id().ToString();
  for (const wire::TopicView& topic :
       {wire::TopicView{0, wire::TopicKind::kSession, id}, UserTopic("alice"), StreamTopic("chat"), test::Everyone()}) {
    EXPECT_THAT(List(topic), IsEmpty());
    EXPECT_EQ(Kick(topic), 0u);
    wire::TopicView own = topic;
    own.app = 1;
    EXPECT_THAT(List(own), SizeIs(1));
  }
  EXPECT_EQ(Kick({1, wire::TopicKind::kSession, id}), 1u);
}

TEST_F(AnswersTest, AnAppIsClosedAlone) {
  FakeSession shop(node_, 0, {.user = "alice", .app = 1});
  FakeSession nobody(node_, 0, {.app = 1});
  FakeSession other(node_, 0, {.user = "alice"});

  uint32_t closed =
      node_.On(0, [](Shard& shard) { return CloseApp(shard, 1, wire::CloseCode::kForbidden, "this app is gone"); });

  EXPECT_EQ(closed, 2u);
  EXPECT_THAT(shop.closed(), Optional(4003));
  EXPECT_EQ(shop.reason(), "this app is gone");
  EXPECT_THAT(nobody.closed(), Optional(4003));
  EXPECT_FALSE(other.closed().has_value());
}

TEST_F(AnswersTest, WhoIsDeniedInAnAppStaysInAnother) {
  FakeSession shop(node_, 0, {.user = "alice", .app = 1});
  FakeSession other(node_, 0, {.user = "alice"});
  auth::Denials denials;
  EXPECT_TRUE(denials.BlockUser({"alice", auth::Denials::kForGood, "spam"}).ok());
  for (const char* user : {"alice", ""}) {
    node_.On(0, [&](Shard& shard) { return CloseDenied(shard, 1, user, denials, std::chrono::system_clock::now()); });
    EXPECT_THAT(shop.closed(), Optional(4003));
    EXPECT_FALSE(other.closed().has_value());
  }
}

}  // namespace
}  // namespace carillon::hub
