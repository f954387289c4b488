#include "gateway/hub/topic_index.h"

#include <gtest/gtest.h>

#include "tests/support/loose_session.h"
#include "tests/support/seed.h"
#include "tests/support/topic_index_model.h"

namespace carillon::hub {
namespace {

constexpr wire::TopicView kChat{0, wire::TopicKind::kStream, "chat"};

class TopicIndexTest : public ::testing::Test {
 protected:
  LocalTopic& Join(test::LooseSession& session, uint64_t since = 0) {
    LocalTopic* topic = index_.Find(kChat);
    if (topic == nullptr) topic = &index_.Add(interest_.get());
    index_.Join(*topic, session.session(), session.subscriptions(), since);
    return *topic;
  }

  test::IdleShard idle_;
  engine::Interest::Ptr interest_ = engine::Interest::Make(kChat);
  TopicIndex index_;
};

TEST_F(TopicIndexTest, FindsNothingAtFirst) {
  EXPECT_EQ(index_.Find(kChat), nullptr);
  EXPECT_EQ(index_.topics(), 0u);
}

TEST_F(TopicIndexTest, MemberAndSubscriptionKnowEachOther) {
  test::LooseSession session(idle_);

  LocalTopic& topic = Join(session, 42);

  ASSERT_EQ(topic.members.size(), 1u);
  EXPECT_EQ(topic.members[0].session, &session.session());
  EXPECT_EQ(topic.members[0].since, 42u);
  EXPECT_EQ(topic.members[0].slot, 0u);
  EXPECT_EQ(session.subscriptions()[0].topic, &topic);
  EXPECT_EQ(session.subscriptions()[0].slot, 0u);
  EXPECT_EQ(index_.Find(kChat), &topic);
}

TEST_F(TopicIndexTest, OtherKindsAndAppsOfTheNameAreOtherTopics) {
  test::LooseSession session(idle_);
  Join(session);

  EXPECT_EQ(index_.Find({0, wire::TopicKind::kUser, "chat"}), nullptr);
  EXPECT_EQ(index_.Find({1, wire::TopicKind::kStream, "chat"}), nullptr);
}

TEST_F(TopicIndexTest, LastUnsubscribeForgetsTheTopic) {
  test::LooseSession first(idle_);
  test::LooseSession second(idle_);
  Join(first);
  Join(second);

  EXPECT_FALSE(index_.Leave(first.subscriptions(), 0));
  EXPECT_NE(index_.Find(kChat), nullptr);
  EXPECT_TRUE(index_.Leave(second.subscriptions(), 0));

  EXPECT_EQ(index_.Find(kChat), nullptr);
  EXPECT_EQ(index_.topics(), 0u);
  EXPECT_TRUE(second.subscriptions().empty());
}

TEST_F(TopicIndexTest, TheLastMemberTakesThePlaceOfTheOneThatGoes) {
  test::LooseSession sessions[] = {test::LooseSession(idle_), test::LooseSession(idle_), test::LooseSession(idle_)};
  LocalTopic* topic = nullptr;
  for (uint64_t i = 0; i < 3; ++i) topic = &Join(sessions[i], i);

  index_.Leave(sessions[0].subscriptions(), 0);

  ASSERT_EQ(topic->members.size(), 2u);
  EXPECT_EQ(topic->members[0].session, &sessions[2].session());
  EXPECT_EQ(topic->members[0].since, 2u);
  EXPECT_EQ(sessions[2].subscriptions()[0].slot, 0u);
}

TEST_F(TopicIndexTest, BehavesLikeAPlainMap) {
  test::Random random;
  test::TopicIndexModel model(12, 25);
  for (int step = 0; step < 20000; ++step) {
    size_t session = random.Below(12);
    if (random.OneIn(2)) {
      model.Join(session, random.Below(25));
    } else {
      model.Leave(session, random.Below(30));
    }

    ASSERT_EQ(model.Inconsistency(), "") << "at step " << step;
  }
}

TEST_F(TopicIndexTest, EverybodyMayLeaveInAnyOrder) {
  constexpr size_t kSessions = 30;
  constexpr size_t kTopics = 8;
  test::Random random;
  test::TopicIndexModel model(kSessions, kTopics);
  for (size_t session = 0; session < kSessions; ++session) {
    for (size_t topic = 0; topic < kTopics; ++topic) model.Join(session, topic);
  }

  size_t forgotten = 0;
  for (int step = 0; step < 100'000 && forgotten < kTopics; ++step) {
    forgotten += model.Leave(random.Below(kSessions), random.Below(kTopics)) ? 1 : 0;
    ASSERT_EQ(model.Inconsistency(), "");
  }

  EXPECT_EQ(forgotten, kTopics);
}

}  // namespace
}  // namespace carillon::hub
