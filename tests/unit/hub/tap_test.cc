#include "gateway/hub/tap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/wire/new_envelope.h"
#include "tests/support/fake_session.h"
#include "tests/support/test_node.h"

namespace carillon::hub {
namespace {

using test::FakeSession;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

wire::FramePtr Message(std::string event) {
  v1::Envelope envelope = wire::NewEnvelope("chat", event, wire::WallClock::now());
  return wire::FramePtr(new wire::Frame(std::move(envelope)));
}

class TapTest : public ::testing::Test {
 protected:
  std::shared_ptr<Tap> Attach(wire::TopicKind kind, std::string name, Tap::Sample sample = {}) {
    auto tap = std::make_shared<Tap>(wire::Topic(wire::kDefaultApp, kind, std::move(name)), sample);
    std::promise<size_t> sessions;
    node_.node().Attach(tap, [&](size_t count, bool) { sessions.set_value(count); });
    sessions_ = sessions.get_future().get();
    return tap;
  }

  void Publish(wire::TopicKind kind, const std::string& name, const std::string& event) {
    ASSERT_TRUE(node_.node().Publish({wire::kDefaultApp, kind, name}, Message(event)).ok());
  }

  std::vector<std::string> Seen(Tap& tap) {
    node_.Settle();
    std::vector<std::string> events;
    for (const Tapped& tapped : tap.Take(100, 1 << 20).frames) {
      if (tapped.frame != nullptr) {
        events.push_back(tapped.frame->envelope().event());
      } else if (tapped.said.has_value()) {
        events.push_back("said " + tapped.said->action);
      } else {
        size_t at = tapped.bytes.find("\"event\":\"") + 9;
        events.push_back(tapped.bytes.substr(at, tapped.bytes.find('"', at) - at));
      }
    }
    return events;
  }

  test::TestNode node_{2};
  size_t sessions_ = 0;
};

TEST_F(TapTest, AStreamIsSeenOnceHoweverManyShardsListen) {
  FakeSession one(node_, 0, {.streams = {"chat"}});
  FakeSession other(node_, 1, {.streams = {"chat"}});
  auto tap = Attach(wire::TopicKind::kStream, "chat");

  Publish(wire::TopicKind::kStream, "chat", "a");
  Publish(wire::TopicKind::kStream, "news", "b");
  Publish(wire::TopicKind::kStream, "chat", "c");

  EXPECT_THAT(Seen(*tap), ElementsAre("a", "c"));
  EXPECT_THAT(one.Heard(), ElementsAre("a", "c"));
  EXPECT_THAT(other.Heard(), ElementsAre("a", "c"));
}

TEST_F(TapTest, AStreamIsSeenThoughNobodyListensAndTheTapIsNoListener) {
  auto tap = Attach(wire::TopicKind::kStream, "chat");

  auto published = node_.node().Publish({wire::kDefaultApp, wire::TopicKind::kStream, "chat"}, Message("a"));

  EXPECT_EQ(published->sessions, 0u);
  EXPECT_EQ(node_.node().StreamsOf(wire::kDefaultApp), 0u);
  EXPECT_THAT(Seen(*tap), ElementsAre("a"));
  node_.node().Detach(tap);
  EXPECT_EQ(node_.node().Find({wire::kDefaultApp, wire::TopicKind::kStream, "chat"}).shards, 0u);
}

TEST_F(TapTest, AUsersSessionsAreSeenAlsoThoseThatComeLater) {
  FakeSession here(node_, 0, {.user = "alice"});
  FakeSession other(node_, 0, {.user = "bob"});
  auto tap = Attach(wire::TopicKind::kUser, "alice");
  EXPECT_EQ(sessions_, 1u);
  FakeSession late(node_, 1, {.user = "alice", .streams = {"chat"}});

  Publish(wire::TopicKind::kUser, "alice", "to alice");
  Publish(wire::TopicKind::kUser, "bob", "to bob");
  EXPECT_THAT(Seen(*tap), ElementsAre("to alice", "to alice"));
  Publish(wire::TopicKind::kStream, "chat", "to chat");

  EXPECT_THAT(Seen(*tap), ElementsAre("to chat"));
}

TEST_F(TapTest, ASessionIsSeenUntilItIsGone) {
  auto session = std::make_unique<FakeSession>(node_, 1, FakeSession::Options{.streams = {"chat"}});
  auto tap = Attach(wire::TopicKind::kSession, session->id().ToString());
  EXPECT_EQ(sessions_, 1u);

  for (const char* event : {"a", "b"}) Publish(wire::TopicKind::kStream, "chat", event);
  node_.Settle();
  session->With([](Session& s) { TapSaid(s, {.action = "ping"}); });
  EXPECT_THAT(Seen(*tap), ElementsAre("a", "b", "said ping"));
  EXPECT_FALSE(tap->Take(1, 1).ended);
  session.reset();

  EXPECT_TRUE(tap->Take(1, 1).ended);
}

TEST_F(TapTest, NobodyIsThere) {
  Attach(wire::TopicKind::kSession, "0001" + std::string(16, '0'));
  EXPECT_EQ(sessions_, 0u);
  Attach(wire::TopicKind::kSession, "003f" + std::string(16, '0'));
  EXPECT_EQ(sessions_, 0u);
}

TEST_F(TapTest, OfAnotherAppNothingIsSeen) {
  FakeSession theirs(node_, 0, {.user = "alice", .app = 1, .streams = {"chat"}});
  auto user = Attach(wire::TopicKind::kUser, "alice");
  auto session = Attach(wire::TopicKind::kSession, theirs.id().ToString());
  EXPECT_EQ(sessions_, 0u);
  auto stream = Attach(wire::TopicKind::kStream, "chat");

  ASSERT_TRUE(node_.node().Publish({1, wire::TopicKind::kStream, "chat"}, Message("theirs")).ok());

  EXPECT_THAT(theirs.Heard(), ElementsAre("theirs"));
  for (auto& tap : {user, session, stream}) EXPECT_THAT(Seen(*tap), IsEmpty());
}

TEST_F(TapTest, AfterwardsNobodyLooks) {
  FakeSession session(node_, 0, {.user = "alice"});
  auto first = Attach(wire::TopicKind::kUser, "alice");
  auto second = Attach(wire::TopicKind::kSession, session.id().ToString());
  auto tapped = [&] { return session.With([](Session& s) { return s.tapped(); }); };
  EXPECT_TRUE(tapped());
  node_.node().Detach(first);
  EXPECT_TRUE(tapped());
  node_.node().Detach(second);
  EXPECT_FALSE(tapped());

  Publish(wire::TopicKind::kUser, "alice", "a");

  EXPECT_THAT(Seen(*first), IsEmpty());
  EXPECT_THAT(session.Heard(), ElementsAre("a"));
}

TEST_F(TapTest, WhatDoesNotFitIsLostAndCounted) {
  Tap tap(wire::Topic(wire::kDefaultApp, wire::TopicKind::kStream, "chat"), {});
  for (size_t i = 0; i < Tap::kMostFrames + 7; ++i) tap.Offer(Message("a"));

  Tap::Taken first = tap.Take(64, 1 << 20);
  EXPECT_EQ(first.frames.size(), 64u);
  EXPECT_TRUE(first.more);
  EXPECT_EQ(first.lost, 7u);
  tap.Offer(Message("b"));
  size_t rest = 0;
  for (bool more = true; more;) {
    Tap::Taken next = tap.Take(1000, 1 << 20);
    rest += next.frames.size();
    more = next.more;
    EXPECT_EQ(next.lost, 0u);
  }
  EXPECT_EQ(rest, Tap::kMostFrames - 64 + 1);

  std::string large(Tap::kMostBytes, 'x');
  SessionId session{0, 1};
  tap.Offer(session, large);  // alone it fits, however large
  tap.Offer(session, "y");
  Tap::Taken last = tap.Take(10, 1);
  EXPECT_EQ(last.frames.size(), 1u);
  EXPECT_EQ(last.lost, 1u);
}

TEST_F(TapTest, ASampleLeavesOutAndCounts) {
  Tap every(wire::Topic(wire::kDefaultApp, wire::TopicKind::kStream, "chat"), {.every = 3});
  for (const char* event : {"a", "b", "c", "d", "e", "f", "g"}) every.Offer(Message(event));
  Tap::Taken taken = every.Take(10, 1 << 20);
  ASSERT_EQ(taken.frames.size(), 3u);
  EXPECT_EQ(taken.frames[1].frame->envelope().event(), "d");
  EXPECT_EQ(taken.left_out, 4u);

  Tap slowly(wire::Topic(wire::kDefaultApp, wire::TopicKind::kStream, "chat"), {.per_second = 2});
  for (int i = 0; i < 100; ++i) slowly.Offer(Message("a"));
  Tap::Taken some = slowly.Take(100, 1 << 20);
  EXPECT_GE(some.frames.size(), 2u);
  EXPECT_LE(some.frames.size(), 4u);  // the second may have changed
  EXPECT_EQ(some.frames.size() + some.left_out, 100u);
}

}  // namespace
}  // namespace carillon::hub
