#include "gateway/hub/shard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>

#include "tests/support/fake_session.h"
#include "tests/support/seed.h"
#include "tests/support/test_node.h"

namespace carillon::hub {
namespace {

using test::Everyone;
using test::FakeSession;
using test::MakeFrame;
using test::StreamTopic;
using test::UserTopic;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ShardTest : public ::testing::Test {
 protected:
  uint32_t Publish(const wire::TopicView& topic, const std::string& event, bool subscribers_only = false) {
    std::shared_ptr<wire::Terms> terms;
    if (subscribers_only) {
      terms = std::make_shared<wire::Terms>();
      terms->stream_subscribers_only = true;
    }
    auto published = node_.node().Publish(topic, MakeFrame(event, "chat", 0, std::move(terms)));
    node_.Settle();
    return published->sessions;
  }

  ShardStats& stats() { return node_.node().shard(0).stats(); }

  test::TestNode node_;
};

// A backend that hears of a session from the feed may send to it, and to its user, at once.
TEST_F(ShardTest, WhoIsToldOfASessionMaySpeakToIt) {
  std::vector<uint32_t> reached;  // sessions of Alice and of everyone, when an event is announced
  node_.node().SetEventsHandler([&](wire::AppId) {
    reached.push_back(node_.node().Find(UserTopic("alice")).sessions);
    reached.push_back(node_.node().Find(Everyone()).sessions);
  });
  node_.node().engine().feed().Begin(wire::kDefaultApp);

  FakeSession alice(node_, 0, {.user = "alice"});
  FakeSession nobody(node_, 0, {});
  nobody.With([](Session& session) {
    auth::Identity identity;
    identity.user_id = "alice";
    session.shard().Identify(session, std::make_shared<const auth::Identity>(identity));
    return 0;
  });

  EXPECT_THAT(reached, ElementsAre(1u, 1u, 1u, 2u, 2u, 2u));
}

TEST_F(ShardTest, AMessageReachesItsAudienceAndNobodyElse) {
  FakeSession alice(node_, 0, {.user = "alice", .streams = {"chat"}});
  FakeSession bob(node_, 0, {.user = "bob", .streams = {"news"}});
  FakeSession nobody(node_, 0, {});

  EXPECT_EQ(Publish(StreamTopic("chat"), "stream"), 1u);
  EXPECT_EQ(Publish(UserTopic("bob"), "user"), 1u);
  EXPECT_EQ(Publish(Everyone(), "all"), 3u);
  std::string id = nobody.id().ToString();
  EXPECT_EQ(Publish({0, wire::TopicKind::kSession, id}, "session"), 1u);
  EXPECT_EQ(Publish(StreamTopic("empty"), "lost"), 0u);

  EXPECT_THAT(alice.Heard(), ElementsAre("stream", "all"));
  EXPECT_THAT(bob.Heard(), ElementsAre("user", "all"));
  EXPECT_THAT(nobody.Heard(), ElementsAre("all", "session"));
}

TEST_F(ShardTest, AUsersMessageOnAStreamReachesItsSubscribersAmongTheirSessions) {
  FakeSession subscribed(node_, 0, {.user = "alice", .streams = {"chat"}});
  FakeSession elsewhere(node_, 0, {.user = "alice", .streams = {"news"}});

  Publish(UserTopic("alice"), "any", false);
  Publish(UserTopic("alice"), "subscribers", true);

  EXPECT_THAT(subscribed.Heard(), ElementsAre("any", "subscribers"));
  EXPECT_THAT(elsewhere.Heard(), ElementsAre("any"));
}

TEST_F(ShardTest, AUsersMessageOnAStreamThatNobodyHearsReachesNobody) {
  FakeSession alice(node_, 0, {.user = "alice"});

  Publish(UserTopic("alice"), "subscribers", true);

  EXPECT_THAT(alice.Heard(), IsEmpty());
}

TEST_F(ShardTest, SubscribingTwiceIsOnce) {
  FakeSession session(node_, 0, {.streams = {"chat"}});
  bool again = session.With([](Session& s) { return s.shard().Subscribe(s, StreamTopic("chat")).fresh; });

  EXPECT_FALSE(again);
  EXPECT_EQ(Publish(StreamTopic("chat"), "once"), 1u);
  EXPECT_THAT(session.Heard(), ElementsAre("once"));
  EXPECT_TRUE(session.With([](Session& s) { return s.shard().Unsubscribe(s, StreamTopic("chat")); }));
  EXPECT_FALSE(session.With([](Session& s) { return s.shard().Unsubscribe(s, StreamTopic("chat")); }));
  EXPECT_EQ(Publish(StreamTopic("chat"), "never"), 0u);
}

TEST_F(ShardTest, NothingFromBeforeTheSubscriptionIsHeard) {
  FakeSession early(node_, 0, {.streams = {"chat"}});
  FakeSession late(node_, 0, {});

  // "before" still waits in the shard's mailbox when the session subscribes.
  late.With([&](Session& session) {
    ASSERT_TRUE(node_.node().Publish(StreamTopic("chat"), MakeFrame("before")).ok());
    session.shard().Subscribe(session, StreamTopic("chat"));
  });
  Publish(StreamTopic("chat"), "after");

  EXPECT_THAT(early.Heard(), ElementsAre("before", "after"));
  EXPECT_THAT(late.Heard(), ElementsAre("after"));
}

TEST_F(ShardTest, EmptyTopicsVanish) {
  {
    FakeSession session(node_, 0, {.user = "alice", .streams = {"chat", "news"}});
    session.Unsubscribe("news");
    EXPECT_EQ(node_.On(0, [](Shard& shard) { return shard.FindTopic(StreamTopic("news")); }), nullptr);
    EXPECT_NE(node_.On(0, [](Shard& shard) { return shard.FindTopic(StreamTopic("chat")); }), nullptr);
  }

  EXPECT_EQ(node_.On(0, [](Shard& shard) { return shard.FindTopic(StreamTopic("chat")); }), nullptr);
  EXPECT_EQ(node_.On(0, [](Shard& shard) { return shard.FindTopic(Everyone()); }), nullptr);
  EXPECT_EQ(node_.node().Find(StreamTopic("chat")).shards, 0u);
  EXPECT_EQ(node_.node().Find(UserTopic("alice")).shards, 0u);
}

TEST_F(ShardTest, OpenedLessClosedIsOpen) {
  auto first = std::make_unique<FakeSession>(node_, 0, FakeSession::Options{});
  FakeSession second(node_, 0, {});
  EXPECT_EQ(stats().sessions.value(), 2u);
  first.reset();

  uint64_t closed = 0;
  for (const OwnCounter& counter : stats().closed) closed += counter.value();

  EXPECT_EQ(stats().opened.value(), 2u);
  EXPECT_EQ(closed, 1u);
  EXPECT_EQ(stats().sessions.value(), 1u);
}

TEST_F(ShardTest, AUserWhoComesLateIsFoundByTheirName) {
  FakeSession session(node_, 0, {});
  session.With([](Session& s) {
    auth::Identity alice;
    alice.user_id = "alice";
    s.shard().Identify(s, std::make_shared<const auth::Identity>(alice));
  });

  EXPECT_EQ(Publish(UserTopic("alice"), "hello"), 1u);
  EXPECT_THAT(session.Heard(), ElementsAre("hello"));
}

TEST_F(ShardTest, BeforeItIsAdmittedASessionIsInNobodysAudience) {
  FakeSession session(node_, 0, {.admitted = false});
  EXPECT_EQ(Publish(Everyone(), "early"), 0u);
  EXPECT_EQ(stats().sessions.value(), 1u);

  session.With([](Session& s) {
    auth::Identity alice;
    alice.user_id = "alice";
    s.shard().Identify(s, std::make_shared<const auth::Identity>(alice));
  });

  EXPECT_EQ(Publish(Everyone(), "all"), 1u);
  EXPECT_EQ(Publish(UserTopic("alice"), "user"), 1u);
  EXPECT_THAT(session.Heard(), ElementsAre("all", "user"));
}

TEST_F(ShardTest, ASessionThatIsNeverAdmittedLeavesNothingBehind) {
  { FakeSession session(node_, 0, {.admitted = false}); }

  EXPECT_EQ(stats().sessions.value(), 0u);
}

TEST_F(ShardTest, AnUnknownSessionIsNobody) {
  FakeSession session(node_, 0, {});
  SessionId other{0, session.id().key ^ 1};
  SessionId elsewhere{5, session.id().key};

  EXPECT_EQ(node_.On(0, [&](Shard& shard) { return shard.FindSession(other); }), nullptr);
  EXPECT_EQ(node_.On(0, [&](Shard& shard) { return shard.FindSession(elsewhere); }), nullptr);
  EXPECT_NE(node_.On(0, [&](Shard& shard) { return shard.FindSession(session.id()); }), nullptr);
}

TEST_F(ShardTest, ALongQueueOfMailIsDeliveredInOrderOverManyTurns) {
  FakeSession session(node_, 0, {.streams = {"chat"}});
  std::vector<std::string> expected;
  {
    test::TestNode::Hold hold(node_, 0);
    for (int i = 0; i < 1000; ++i) {
      expected.push_back(std::to_string(i));
      ASSERT_TRUE(node_.node().Publish(StreamTopic("chat"), MakeFrame(expected.back())).ok());
    }
  }
  node_.Settle();

  EXPECT_EQ(session.Heard(), expected);
}

TEST_F(ShardTest, TasksAndMessagesKeepTheirOrder) {
  FakeSession session(node_, 0, {.streams = {"chat"}});
  std::vector<size_t> written_at_task;
  {
    test::TestNode::Hold hold(node_, 0);
    for (int i = 0; i < 100; ++i) {
      (void)node_.node().Publish(StreamTopic("chat"), MakeFrame("m"));
      node_.node().Tell(node_.node().all_shards(), [&](Shard& shard) {
        written_at_task.push_back(static_cast<size_t>(shard.stats().queued.value()));
      });
    }
  }
  node_.Settle();

  ASSERT_THAT(written_at_task, SizeIs(100));
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(written_at_task[i], i + 1);
}

TEST_F(ShardTest, ATaskThatFailsDoesNotStopTheMail) {
  FakeSession session(node_, 0, {.streams = {"chat"}});
  node_.node().Tell(node_.node().all_shards(), [](Shard&) { throw std::runtime_error("a fault of ours"); });

  Publish(StreamTopic("chat"), "still here");

  EXPECT_THAT(session.Heard(), ElementsAre("still here"));
}

class FailingTimer : public TimerWheel::Timer {
  void OnTimer() override { throw std::runtime_error("a fault of ours"); }
};

class TellingTimer : public TimerWheel::Timer {
 public:
  std::promise<void> fired;

 private:
  void OnTimer() override { fired.set_value(); }
};

TEST_F(ShardTest, ATimerThatFailsDoesNotStopTheOthers) {
  FailingTimer failing;
  TellingTimer same_tick;
  TellingTimer later;
  node_.On(0, [&](Shard& shard) {
    shard.wheel().Arm(failing, shard.now());
    shard.wheel().Arm(same_tick, shard.now());
    shard.wheel().Arm(later, shard.now() + 3 * TimerWheel::kTick);
  });

  EXPECT_EQ(later.fired.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
  EXPECT_EQ(same_tick.fired.get_future().wait_for(std::chrono::seconds(0)), std::future_status::ready);
  node_.On(0, [&](Shard&) {
    TimerWheel::Disarm(same_tick);
    TimerWheel::Disarm(later);
  });
}

// A slow session's goodbye may find its socket broken, so that the session is gone while its topic is being walked.
TEST_F(ShardTest, ASessionMayVanishWhileItsTopicIsWalked) {
  FakeSession::Options slow;
  slow.streams = {"chat"};
  slow.blocked = true;
  slow.dies_when_closed = true;
  slow.settings.outbox_messages = 1;
  slow.settings.outbox_patience = std::chrono::milliseconds(0);
  std::vector<std::unique_ptr<FakeSession>> sessions;
  for (int i = 0; i < 6; ++i) {
    FakeSession::Options healthy;
    healthy.streams = {"chat"};
    sessions.push_back(std::make_unique<FakeSession>(node_, 0, i % 2 == 0 ? slow : healthy));
  }

  for (const char* event : {"one", "two", "three"}) Publish(StreamTopic("chat"), event);

  EXPECT_EQ(node_.node().Find(StreamTopic("chat")).sessions, 3u);
  for (size_t i = 1; i < 6; i += 2) EXPECT_THAT(sessions[i]->Heard(), ElementsAre("one", "two", "three"));
  for (size_t i = 0; i < 6; i += 2) EXPECT_EQ(sessions[i]->closes(), 1);
}

TEST_F(ShardTest, TheOnlySessionOfATopicMayVanishWhileItIsWalked) {
  FakeSession::Options slow;
  slow.streams = {"chat"};
  slow.blocked = true;
  slow.dies_when_closed = true;
  slow.settings.outbox_messages = 1;
  slow.settings.outbox_patience = std::chrono::milliseconds(0);
  FakeSession session(node_, 0, slow);

  for (const char* event : {"one", "two", "three"}) Publish(StreamTopic("chat"), event);

  EXPECT_EQ(session.closes(), 1);
  EXPECT_EQ(node_.node().Find(StreamTopic("chat")).sessions, 0u);
}

// Members come and go while publishers run flat out: nothing from before a subscription, no hole after it, nothing
// after its end.
TEST_F(ShardTest, WhoIsBeingClosedJoinsNothingMore) {
  FakeSession session(node_, 0, {.streams = {"chat"}});
  session.With([](Session& s) { s.BeginClosing(); });

  session.Subscribe("news");

  EXPECT_TRUE(session.With([](Session& s) { return s.subscriptions().empty(); }));
  EXPECT_EQ(node_.node().Find(StreamTopic("news")).sessions, 0u);
}

TEST_F(ShardTest, SubscriptionsHaveCleanEdgesUnderLoad) {
  test::Random random;
  constexpr int kMessages = 4000;
  FakeSession session(node_, 0, {});
  std::atomic<int> published{0};
  std::atomic<bool> begun{false};
  std::jthread publisher([&] {
    while (!begun) std::this_thread::yield();
    for (int i = 0; i < kMessages; ++i) {
      while (!node_.node().Publish(StreamTopic("chat"), MakeFrame(std::to_string(i))).ok()) std::this_thread::yield();
      published.store(i + 1);
    }
  });
  size_t heard = 0;
  while (published.load() < kMessages) {
    int before = published.load();
    session.Subscribe("chat");
    begun = true;
    int from = published.load();
    for (size_t spins = random.Below(2000); spins > 0; --spins) std::this_thread::yield();
    session.Unsubscribe("chat");
    int after = published.load();

    std::vector<std::string> events = session.Heard();
    std::vector<int> numbers;
    for (; heard < events.size(); ++heard) numbers.push_back(std::stoi(events[heard]));
    if (numbers.empty()) continue;
    ASSERT_GE(numbers.front(), before);
    ASSERT_LE(numbers.front(), from + 1);
    ASSERT_LE(numbers.back(), after);
    for (size_t i = 1; i < numbers.size(); ++i) ASSERT_EQ(numbers[i], numbers[i - 1] + 1);
  }
}

}  // namespace
}  // namespace carillon::hub
