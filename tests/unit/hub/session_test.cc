#include "gateway/hub/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_session.h"
#include "tests/support/test_node.h"

namespace carillon::hub {
namespace {

using std::chrono::milliseconds;
using test::FakeSession;
using test::MakeFrame;
using test::StreamTopic;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::SizeIs;

constexpr int kSlowConsumer = 4101;

class SessionTest : public ::testing::Test {
 protected:
  static FakeSession::Options Blocked() {
    FakeSession::Options options;
    options.streams = {"chat"};
    options.blocked = true;
    options.settings.outbox_messages = 10;
    options.settings.outbox_bytes = 64 << 10;
    options.settings.outbox_patience = std::chrono::hours(1);
    return options;
  }

  void Publish(const std::string& event, size_t payload_bytes = 0) {
    ASSERT_TRUE(node_.node().Publish(StreamTopic("chat"), MakeFrame(event, "chat", payload_bytes)).ok());
    node_.Settle();
  }

  test::TestNode node_;
};

TEST_F(SessionTest, HearsWhatItSubscribesToInOrder) {
  FakeSession session(node_, 0, {.streams = {"chat"}});

  Publish("one");
  Publish("two");

  EXPECT_THAT(session.Heard(), ElementsAre("one", "two"));
}

// Bounds hold for several messages at once as they do one by one.
TEST_F(SessionTest, ManyAtOnceAreJudgedAsIfTheyCameOneByOne) {
  FakeSession within(node_, 0, Blocked());
  FakeSession::Options impatient = Blocked();
  impatient.settings.outbox_patience = milliseconds(0);
  FakeSession beyond(node_, 0, impatient);
  {
    Node::WakeAtEnd together(node_.node());
    for (int i = 0; i < 12; ++i) {
      ASSERT_TRUE(node_.node().Publish(StreamTopic("chat"), MakeFrame(std::to_string(i))).ok());
    }
  }
  node_.Settle();

  EXPECT_EQ(within.closed(), std::nullopt);
  EXPECT_EQ(within.waiting_messages(), 12u);
  EXPECT_THAT(beyond.closed(), Optional(kSlowConsumer));
}

// Nothing of it is left to the shard's next turn, which may be far away.
TEST_F(SessionTest, AnAnswerIsWrittenAtOnceAndOnlyOnce) {
  FakeSession session(node_, 0, {.streams = {"chat"}});

  session.With([](Session& s) { s.Reply(dialect::Pong{"1", ""}); });
  node_.Settle();

  EXPECT_THAT(session.Heard(), ElementsAre("pong"));
  EXPECT_EQ(session.flushes(), 1);
}

TEST_F(SessionTest, TooManyBytesAreJudgedAtOnce) {
  FakeSession session(node_, 0, Blocked());

  Publish("a", 30'000);
  Publish("b", 30'000);
  EXPECT_EQ(session.closed(), std::nullopt);
  Publish("c", 30'000);

  EXPECT_THAT(session.closed(), Optional(kSlowConsumer));
}

TEST_F(SessionTest, OneLargeMessageAloneIsNeverTooMuch) {
  FakeSession session(node_, 0, Blocked());

  Publish("large", 400'000);

  EXPECT_EQ(session.closed(), std::nullopt);
  EXPECT_EQ(session.waiting_messages(), 1u);
}

TEST_F(SessionTest, ManyMessagesArePatientlyQueued) {
  FakeSession session(node_, 0, Blocked());

  for (int i = 0; i < 200; ++i) Publish("m");

  EXPECT_EQ(session.closed(), std::nullopt);
  EXPECT_EQ(session.waiting_messages(), 200u);
}

TEST_F(SessionTest, ManyMessagesAreTooManyWhenThePatienceIsOver) {
  FakeSession::Options options = Blocked();
  options.settings.outbox_patience = milliseconds(0);
  FakeSession session(node_, 0, options);

  for (int i = 0; i < 10; ++i) Publish("m");
  EXPECT_EQ(session.closed(), std::nullopt);
  Publish("one too many");

  EXPECT_THAT(session.closed(), Optional(kSlowConsumer));
}

TEST_F(SessionTest, PatienceIsMeasuredFromWhenTheBoundWasPassed) {
  FakeSession::Options options = Blocked();
  options.settings.outbox_patience = milliseconds(200);
  options.settings.outbox_bytes = 1 << 30;
  FakeSession session(node_, 0, options);
  for (int i = 0; i < 10; ++i) Publish("m");

  auto before_passing = std::chrono::steady_clock::now();
  while (session.closed() == std::nullopt) {
    ASSERT_LT(std::chrono::steady_clock::now(), before_passing + test::kPatience);
    Publish("m");
  }

  EXPECT_GE(std::chrono::steady_clock::now() - before_passing, milliseconds(200));
}

TEST_F(SessionTest, AReaderThatCatchesUpIsForgiven) {
  FakeSession::Options options = Blocked();
  options.settings.outbox_patience = milliseconds(0);
  FakeSession session(node_, 0, options);
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 10; ++i) Publish("m");
    session.SetBlocked(false);
    session.SetBlocked(true);
  }

  EXPECT_EQ(session.closed(), std::nullopt);
  EXPECT_THAT(session.Heard(), SizeIs(50));
}

TEST_F(SessionTest, IsClosedOnceAndHearsNothingMore) {
  FakeSession::Options options = Blocked();
  options.settings.outbox_patience = milliseconds(0);
  FakeSession session(node_, 0, options);
  for (int i = 0; i < 11; ++i) Publish("m");
  ASSERT_THAT(session.closed(), Optional(kSlowConsumer));

  Publish("late");
  session.With([](Session& s) {
    s.Close(wire::CloseCode::kKicked, "again");
    s.Send("late");
    s.Reply(dialect::Pong{});
  });

  EXPECT_EQ(session.closes(), 1);
  EXPECT_THAT(session.closed(), Optional(kSlowConsumer));
  EXPECT_EQ(session.waiting_messages(), 0u);  // what waited for the slow one is dropped, and nothing came after
}

TEST_F(SessionTest, AClosingSessionIsNoLongerCountedOrFound) {
  FakeSession session(node_, 0, {.user = "alice", .streams = {"chat"}});
  ASSERT_EQ(node_.node().Find(StreamTopic("chat")).sessions, 1u);

  session.With([](Session& s) { s.Close(wire::CloseCode::kKicked, "bye"); });

  EXPECT_EQ(node_.node().Find(StreamTopic("chat")).sessions, 0u);
  EXPECT_EQ(node_.node().Find(test::UserTopic("alice")).sessions, 0u);
  EXPECT_EQ(node_.node().Find(test::Everyone()).sessions, 0u);
  EXPECT_EQ(node_.On(0, [&](Shard& shard) { return shard.FindSession(session.id()); }), nullptr);
  EXPECT_EQ(session.reason(), "bye");
}

TEST_F(SessionTest, AnAnswerIsWrittenAtOnceAndBehindWhatWaits) {
  FakeSession::Options options = Blocked();
  FakeSession session(node_, 0, options);
  Publish("first");

  session.With([](Session& s) { s.Reply(dialect::Pong{"7", ""}); });
  EXPECT_THAT(session.Heard(), IsEmpty());
  session.SetBlocked(false);
  session.With([](Session& s) { s.Reply(dialect::Restart{5}); });

  EXPECT_THAT(session.Heard(), ElementsAre("first", "pong", "restart"));
}

TEST_F(SessionTest, AFloodOfAnswersToOneThatDoesNotReadIsBoundedToo) {
  FakeSession session(node_, 0, Blocked());

  for (int i = 0; i < 1000 && session.closed() == std::nullopt; ++i) {
    session.With([](Session& s) { s.Reply(dialect::Pong{"", '"' + std::string(1000, 'x') + '"'}); });
  }

  EXPECT_THAT(session.closed(), Optional(kSlowConsumer));
}

TEST_F(SessionTest, ADialectWithoutWordsSendsNothing) {
  FakeSession::Options options;
  options.settings.dialect = &dialect::EchoBack();
  options.streams = {"chat"};
  FakeSession session(node_, 0, options);

  session.With([](Session& s) { s.Reply(dialect::Restart{5}); });
  Publish("not for echo");

  EXPECT_EQ(session.Written(), "");
}

TEST_F(SessionTest, OneThatIsKickedReadsWhatWaitsFirst) {
  FakeSession session(node_, 0, Blocked());
  for (int i = 0; i < 3; ++i) Publish("m");

  session.With([](Session& s) { s.Close(static_cast<wire::CloseCode>(kSlowConsumer), "a backend's choice"); });

  EXPECT_EQ(session.waiting_messages(), 3u);
  EXPECT_EQ(node_.node().shard(0).stats().slow_consumers.value(), 0u);
}

TEST_F(SessionTest, SlowConsumersAreCounted) {
  FakeSession::Options options = Blocked();
  options.settings.outbox_patience = milliseconds(0);
  FakeSession session(node_, 0, options);

  for (int i = 0; i < 15; ++i) Publish("m");

  EXPECT_EQ(node_.node().shard(0).stats().slow_consumers.value(), 1u);
}

// A burst must not punish the fast: this reader takes everything whenever it is asked, but is first asked at the end of
// the turn that brings 1.3 MB.
TEST_F(SessionTest, ABurstWithinOneTurnClosesNoHealthyReader) {
  FakeSession session(node_, 0, {.streams = {"chat"}});

  {
    test::TestNode::Hold hold(node_, 0);
    for (int i = 0; i < 64; ++i) {
      ASSERT_TRUE(node_.node().Publish(StreamTopic("chat"), MakeFrame("m", "chat", 20'000)).ok());
    }
  }
  node_.Settle();

  EXPECT_EQ(session.closed(), std::nullopt);
  EXPECT_THAT(session.Heard(), SizeIs(64));
}

}  // namespace
}  // namespace carillon::hub
