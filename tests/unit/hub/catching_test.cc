#include "gateway/hub/catching.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/support/fake_session.h"
#include "tests/support/logged.h"
#include "tests/support/test_node.h"

namespace carillon::hub {
namespace {

namespace json = boost::json;
using engine::LogMode;
using engine::Recovery;
using engine::SlowPolicy;
using test::FakeSession;
using test::MakeFrame;
using test::StreamTopic;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

engine::TopicRule Rule(LogMode mode = LogMode::kLog, SlowPolicy slow = SlowPolicy::kDisconnect) {
  engine::TopicRule rule;
  rule.log = {mode, 1000, 16 << 20, std::chrono::hours(1), 1000};
  rule.slow = slow;
  return rule;
}

// What a client reads, as words: a message is its offset, a marker "TO/COVERS: REASON=COUNT…".
std::vector<std::string> Read(FakeSession& session) {
  std::vector<std::string> words;
  for (const std::string& text : test::SplitFrames(session.Written())) {
    json::value frame = json::parse(text);
    if (frame.at("stream").as_string() != "system") {
      const json::object& meta = frame.at("meta").as_object();
      const json::value* offset = meta.if_contains("offset");
      words.push_back(offset == nullptr ? std::string(frame.at("event").as_string()) : json::serialize(*offset));
      continue;
    }
    const json::object& data = frame.at("data").as_object();
    const json::value* offset = data.if_contains("offset");
    std::string word = offset == nullptr ? "-" : json::serialize(*offset);
    if (const json::value* covers = data.if_contains("covers")) word += "/" + json::serialize(*covers);
    word += ":";
    for (const char* reason : {"filtered", "excluded", "expired", "conflated", "dropped"}) {
      if (const json::value* count = data.if_contains(reason))
        word += std::string(" ") + reason + "=" + json::serialize(*count);
    }
    words.push_back(word);
  }
  return words;
}

class CatchingTest : public ::testing::Test {
 protected:
  void Start(const engine::TopicRule& rule = Rule()) {
    node_ = std::make_unique<test::TestNode>(1, hub::NodeOptions{}, test::WithRule(rule));
  }

  void Publish(const std::string& event = "m", wire::Terms terms = {}, bool skip_history = false,
               const wire::TopicView& topic = StreamTopic("chat"), size_t bytes = 0) {
    engine::Publication publication{topic, MakeFrame(event, "chat", bytes, std::make_shared<const wire::Terms>(terms))};
    publication.skip_history = skip_history;
    ASSERT_TRUE(node_->node().Publish(publication).ok());
  }
  void PublishMany(int count, size_t bytes = 0) {
    for (int i = 0; i < count; ++i) Publish("m", {}, false, StreamTopic("chat"), bytes);
  }

  SubscribeAnswer Subscribe(FakeSession& session, const engine::Since& since, wire::Filter wanted = {}) {
    auto filter = wanted.empty() ? nullptr : std::make_shared<const wire::Filter>(wanted);
    SubscribeAnswer answer = session.With([&](Session& s) {
      return s.shard().Subscribe(s, StreamTopic("chat"), {since, filter});
    });
    Settle();
    return answer;
  }

  // Until nothing is being pulled any more: for some turns nothing was replayed.
  void Settle() {
    uint64_t replayed = 0;
    for (int quiet = 0; quiet < 10; ++quiet) {
      node_->Settle();
      uint64_t now = node_->On(0, [](Shard& shard) { return shard.stats().replayed.value(); });
      if (std::exchange(replayed, now) != now) quiet = 0;
    }
  }

  // Markers go out within a second of the shard's time, by its tick.
  std::vector<std::string> ReadUntil(FakeSession& session, size_t words) {
    auto deadline = std::chrono::steady_clock::now() + test::kPatience;
    while (Read(session).size() < words && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    return Read(session);
  }

  std::unique_ptr<test::TestNode> node_;
};

TEST_F(CatchingTest, WhatWasMissedComesThenWhatIsNew) {
  Start();
  PublishMany(5);
  FakeSession session(*node_, 0, {});

  SubscribeAnswer answer = Subscribe(session, test::Last(3));
  PublishMany(2);
  Settle();

  EXPECT_EQ(answer.recovery, Recovery::kOk);
  EXPECT_EQ(answer.at.offset, 2u);
  EXPECT_EQ(answer.top.offset, 5u);
  EXPECT_THAT(Read(session), ElementsAre("3", "4", "5", "6", "7"));
  session.With([](Session& s) { EXPECT_EQ(s.outbox().beyond_bytes(), 0u); });
}

TEST_F(CatchingTest, WhileItCatchesUpNewMessagesWaitInTheLog) {
  Start();
  PublishMany(10, 10'000);
  FakeSession session(*node_, 0, {.blocked = true});
  Subscribe(session, test::Last(10));
  PublishMany(500);
  node_->Settle();
  EXPECT_LE(session.waiting_messages(), 8u);

  session.SetBlocked(false);
  Settle();

  std::vector<std::string> want;
  for (int i = 1; i <= 510; ++i) want.push_back(std::to_string(i));
  EXPECT_EQ(Read(session), want);
}

TEST_F(CatchingTest, AReplayIsPulledInPartsAndOutsideTheBounds) {
  Start();
  PublishMany(300, 10'000);
  FakeSession::Options options;
  options.blocked = true;
  options.settings.outbox_bytes = 64 << 10;
  options.settings.outbox_messages = 10;
  options.settings.outbox_patience = std::chrono::milliseconds(0);
  options.streams = {"other"};
  FakeSession session(*node_, 0, options);
  Subscribe(session, test::Last(300));
  EXPECT_LE(session.waiting_messages(), 8u);
  // Other streams are not in its way, nor it in theirs.
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(node_->node().Publish(StreamTopic("other"), MakeFrame("x", "other")).ok());
  Settle();
  EXPECT_EQ(session.closed(), std::nullopt);

  session.SetBlocked(false);
  Settle();

  EXPECT_EQ(Read(session).size(), 305u);
  EXPECT_EQ(session.closed(), std::nullopt);
}

TEST_F(CatchingTest, WhoReadsFastDoesNotKeepTheMailFromOthers) {
  Start();
  PublishMany(500, 10'000);
  FakeSession session(*node_, 0, {});
  std::promise<uint64_t> replayed;
  // Comes with the mail of one turn after the other.
  std::function<void(Shard&, int)> look = [&](Shard& shard, int again) {
    if (again == 0) return replayed.set_value(shard.stats().replayed.value());
    node_->node().Tell(ShardBit(0), [&look, again](Shard& there) { look(there, again - 1); });
  };

  session.With([&](Session& s) {
    s.shard().Subscribe(s, StreamTopic("chat"), {test::Last(500), nullptr});
    look(s.shard(), 3);
  });

  // A part is 64 KiB.
  EXPECT_LE(replayed.get_future().get(), 30u);
  Settle();
  EXPECT_EQ(Read(session).size(), 500u);
}

TEST_F(CatchingTest, MailDoesNotKeepAReplayWaiting) {
  Start();
  PublishMany(500, 10'000);
  FakeSession::Options options;
  options.streams = {"other"};
  FakeSession session(*node_, 0, options);
  wire::Terms not_for_it;
  not_for_it.excluded_sessions = {session.id()};
  std::promise<uint64_t> replayed;
  // In each turn something that it is not given and has to be told of.
  std::function<void(Shard&, int)> go_on = [&](Shard& shard, int again) {
    if (again == 0) return replayed.set_value(shard.stats().replayed.value());
    Publish("kept back", not_for_it, false, StreamTopic("other"));
    Publish("given", {}, false, StreamTopic("other"));
    node_->node().Tell(ShardBit(0), [&go_on, again](Shard& there) { go_on(there, again - 1); });
  };

  session.With([&](Session& s) {
    s.shard().Subscribe(s, StreamTopic("chat"), {test::Last(500), nullptr});
    go_on(s.shard(), 20);
  });

  EXPECT_GE(replayed.get_future().get(), 60u);
  Settle();
}

TEST_F(CatchingTest, EveryMessageThatIsReplayedCountsAsReplayed) {
  Start();
  PublishMany(4);
  FakeSession session(*node_, 0, {});

  Subscribe(session, test::Last(3));

  EXPECT_EQ(node_->node().shard(0).stats().replayed.value(), 3u);
  EXPECT_EQ(node_->node().shard(0).stats().recoveries[static_cast<size_t>(Recovery::kOk)].value(), 1u);
}

TEST_F(CatchingTest, WhoReadsTooSlowlyForTheLogIsClosed) {
  engine::TopicRule rule = Rule();
  rule.log.messages = 10;
  Start(rule);
  PublishMany(10, 10'000);
  FakeSession session(*node_, 0, {.blocked = true});
  Subscribe(session, test::Last(10));
  PublishMany(100);
  node_->Settle();

  session.SetBlocked(false);
  Settle();

  EXPECT_THAT(session.closed(), Optional(4101));
}

TEST_F(CatchingTest, OrIsToldWhatIsGoneWhereTheStreamDrops) {
  engine::TopicRule rule = Rule(LogMode::kLog, SlowPolicy::kDropOldest);
  rule.log.messages = 10;
  Start(rule);
  PublishMany(10, 50'000);
  FakeSession session(*node_, 0, {.blocked = true});
  Subscribe(session, test::Last(2));
  PublishMany(20);
  node_->Settle();

  session.SetBlocked(false);
  Settle();

  std::vector<std::string> want{"9", "10", "20: dropped=10"};
  for (int i = 21; i <= 30; ++i) want.push_back(std::to_string(i));
  EXPECT_EQ(Read(session), want);
}

TEST_F(CatchingTest, WhenALogIsClearedACatchingSessionGoesOnWithTheNewOne) {
  Start();
  PublishMany(300, 1000);
  FakeSession session(*node_, 0, {.blocked = true});
  Subscribe(session, test::Last(300));
  ASSERT_TRUE(node_->node().engine().Clear(StreamTopic("chat")).ok());
  PublishMany(2);

  session.SetBlocked(false);
  Settle();

  std::vector<std::string> read = Read(session);
  ASSERT_EQ(read.size(), 302u);
  EXPECT_EQ(session.closed(), std::nullopt);
  EXPECT_THAT(std::vector(read.end() - 3, read.end()), ElementsAre("300", "1", "2"));
}

// What came after its subscription and was cleared before it was given is lost, and counted.
TEST_F(CatchingTest, WhatAClearTookFromACatchingSessionIsCounted) {
  Start(Rule(LogMode::kLog, SlowPolicy::kDropOldest));
  PublishMany(300, 1000);
  FakeSession session(*node_, 0, {.blocked = true});
  Subscribe(session, test::Last(300));
  PublishMany(10);
  node_->Settle();
  ASSERT_TRUE(node_->node().engine().Clear(StreamTopic("chat")).ok());
  PublishMany(1);

  session.SetBlocked(false);
  Settle();

  std::vector<std::string> read = Read(session);
  ASSERT_EQ(read.size(), 302u);
  EXPECT_THAT(std::vector(read.end() - 3, read.end()), ElementsAre("300", "0: dropped=10", "1"));
}

TEST_F(CatchingTest, OrClosesItWhereTheStreamDropsNothing) {
  Start();
  PublishMany(300, 1000);
  FakeSession session(*node_, 0, {.blocked = true});
  Subscribe(session, test::Last(300));
  PublishMany(1);
  node_->Settle();
  ASSERT_TRUE(node_->node().engine().Clear(StreamTopic("chat")).ok());

  session.SetBlocked(false);
  Settle();

  EXPECT_THAT(session.closed(), Optional(4101));
}

// A replay holds messages that the log may have let go of. Where memory is short, it holds only the next few, and lives
// with what the log still has.
TEST_F(CatchingTest, ShortOfMemoryAReplayHoldsLittle) {
  for (bool squeezed_before : {false, true}) {
    Start(Rule(LogMode::kLog, SlowPolicy::kDropOldest));
    PublishMany(200, 10'000);
    FakeSession session(*node_, 0, {.blocked = true});
    auto squeeze = [&](bool squeezed) { node_->On(0, [&](Shard& shard) { shard.SetSqueezed(squeezed); }); };
    if (squeezed_before) squeeze(true);
    Subscribe(session, test::Last(200));
    if (!squeezed_before) squeeze(true);
    ASSERT_TRUE(node_->node().engine().Clear(StreamTopic("chat")).ok());

    session.SetBlocked(false);
    Settle();

    std::vector<std::string> read = Read(session);
    ASSERT_GT(read.size(), 1u);
    ASSERT_LT(read.size(), 20u);
    EXPECT_EQ(read.back(), "0: dropped=" + std::to_string(200 - (read.size() - 1))) << squeezed_before;
  }
}

TEST_F(CatchingTest, ShortOfMemoryAReplayIsWholeWhileTheLogHasIt) {
  Start();
  PublishMany(200, 10'000);
  FakeSession session(*node_, 0, {.blocked = true});
  Subscribe(session, test::Last(200));
  node_->On(0, [](Shard& shard) { shard.SetSqueezed(true); });

  session.SetBlocked(false);
  Settle();

  EXPECT_EQ(Read(session).size(), 200u);
  EXPECT_EQ(session.closed(), std::nullopt);
}

// A stream of mode latest has nothing to lose: whoever is new, or slow, gets the newest value.
TEST_F(CatchingTest, ALatestStreamThatRunsAheadIsConflatedNotLost) {
  Start(Rule(LogMode::kLatest));
  PublishMany(1, 100'000);
  FakeSession session(*node_, 0, {.blocked = true});
  Subscribe(session, {});
  PublishMany(20);
  node_->Settle();

  session.SetBlocked(false);
  Settle();

  EXPECT_EQ(session.closed(), std::nullopt);
  EXPECT_THAT(Read(session), ElementsAre("1", "20: conflated=19", "21"));
}

// A busy stream beside it, on a link that is too slow for both: the replay gets its share.
TEST_F(CatchingTest, AnotherStreamThatFillsTheQueueDoesNotStarveAReplay) {
  Start(Rule(LogMode::kLog, SlowPolicy::kDropOldest));
  PublishMany(200, 2'000);
  FakeSession::Options options;
  options.blocked = true;
  options.streams = {"busy"};
  options.settings.outbox_bytes = 20'000;
  FakeSession session(*node_, 0, options);
  Subscribe(session, test::Last(200));
  // The queue is never empty: each time some of it is written, more has come.
  for (int i = 0; i < 300; ++i) {
    for (int j = 0; j < 20; ++j)
      ASSERT_TRUE(node_->node().Publish(StreamTopic("busy"), MakeFrame("b", "busy", 1000)).ok());
    node_->Settle();
    session.WriteSome(10'000);
    node_->Settle();
  }

  EXPECT_GT(session.waiting_messages(), 0u);
  session.With([](Session& s) { EXPECT_FALSE(s.shard().FindTopic(StreamTopic("chat"))->members[0].special); });
}

TEST_F(CatchingTest, WhatNoLogKeepsIsGivenOnceWhenACatchUpEnds) {
  Start();
  PublishMany(3);
  FakeSession session(*node_, 0, {});
  // In one turn of the shard: from before the subscription, and while it catches up.
  session.With([&](Session& s) {
    Publish("before", {}, true);
    s.shard().Subscribe(s, StreamTopic("chat"), {test::Last(3), nullptr});
    Publish("after", {}, true);
    PublishMany(1);
  });
  Settle();

  std::vector<std::string> read = Read(session);
  EXPECT_EQ(std::count(read.begin(), read.end(), "before"), 0);
  EXPECT_EQ(std::count(read.begin(), read.end(), "after"), 1);
  std::erase(read, "after");
  EXPECT_THAT(read, ElementsAre("1", "2", "3", "4"));
}

TEST_F(CatchingTest, AFilterMayBeChangedWithoutMissingAnything) {
  Start();
  FakeSession session(*node_, 0, {});
  Subscribe(session, {}, {{"a"}, {}});
  session.With([&](Session& s) {
    Publish("b");  // still on its way when the filter changes
    s.shard().Subscribe(s, StreamTopic("chat"), {{}, std::make_shared<const wire::Filter>(wire::Filter{{"b"}, {}})});
  });
  Settle();
  EXPECT_FALSE(Subscribe(session, {}).fresh);  // and taken away
  Publish("c");
  Settle();

  EXPECT_THAT(Read(session), ElementsAre("1", "2"));
}

TEST_F(CatchingTest, ASelectorHoldsForOneSessionToo) {
  Start();
  FakeSession session(*node_, 0, {.user = "alice"});
  std::string id = session.id().ToString();
  wire::TopicView topic{0, wire::TopicKind::kSession, id};
  Publish("no", {.roles = {"admin"}}, false, topic);
  Publish("yes", {.user_ids = {"alice"}}, false, topic);
  Settle();

  EXPECT_THAT(Read(session), ElementsAre("yes"));
}

TEST_F(CatchingTest, LeavingInTheMiddleIsClean) {
  Start();
  PublishMany(50, 10'000);
  FakeSession session(*node_, 0, {.blocked = true});
  Subscribe(session, test::Last(50));

  session.Unsubscribe("chat");
  session.SetBlocked(false);
  PublishMany(5);
  Settle();

  EXPECT_LT(Read(session).size(), 10u);
  EXPECT_EQ(node_->node().Find(StreamTopic("chat")).sessions, 0u);
}

TEST_F(CatchingTest, GoingInTheMiddleIsClean) {
  Start();
  PublishMany(50, 10'000);
  auto session = std::make_unique<FakeSession>(*node_, 0, FakeSession::Options{.blocked = true});
  Subscribe(*session, test::Last(50));
  session.reset();

  Settle();

  EXPECT_EQ(node_->node().Find(StreamTopic("chat")).sessions, 0u);
}

TEST_F(CatchingTest, AskingAgainBeginsAnew) {
  Start();
  PublishMany(3);
  FakeSession session(*node_, 0, {.streams = {"chat"}});
  PublishMany(1);
  Settle();

  SubscribeAnswer again = Subscribe(session, test::Last(2));
  PublishMany(1);
  Settle();

  EXPECT_TRUE(again.fresh);
  EXPECT_THAT(Read(session), ElementsAre("4", "3", "4", "5"));
  EXPECT_EQ(node_->node().Find(StreamTopic("chat")).sessions, 1u);
  EXPECT_FALSE(Subscribe(session, {}).fresh);
}

TEST_F(CatchingTest, WithoutAPlaceInTheOrderAMessageComesAtOnce) {
  Start();
  PublishMany(100, 10'000);
  FakeSession session(*node_, 0, {.blocked = true});
  Subscribe(session, test::Last(100));

  Publish("ephemeral", {}, true);
  node_->Settle();
  session.SetBlocked(false);
  Settle();

  std::vector<std::string> read = Read(session);
  EXPECT_EQ(read.size(), 101u);
  EXPECT_EQ(std::count(read.begin(), read.end(), "ephemeral"), 1);
  EXPECT_NE(read.back(), "ephemeral");
}

TEST_F(CatchingTest, ALatestStreamGreetsWithItsValue) {
  Start(Rule(LogMode::kLatest));
  PublishMany(7);
  FakeSession session(*node_, 0, {});

  SubscribeAnswer answer = Subscribe(session, {});
  PublishMany(1);
  Settle();

  EXPECT_EQ(answer.recovery, Recovery::kNotAsked);
  EXPECT_EQ(answer.at.offset, 6u);
  EXPECT_THAT(Read(session), ElementsAre("7", "8"));
}

TEST_F(CatchingTest, ALatestStreamIsAlwaysRecoveredByItsValue) {
  Start(Rule(LogMode::kLatest));
  PublishMany(7);
  FakeSession session(*node_, 0, {});
  std::string epoch = Subscribe(session, {}).top.epoch;
  FakeSession back(*node_, 0, {});

  SubscribeAnswer answer = Subscribe(back, test::Position(epoch, 2));

  EXPECT_EQ(answer.recovery, Recovery::kOk);
  EXPECT_EQ(answer.at.offset, 2u);
  EXPECT_THAT(Read(back), ElementsAre("6: conflated=4", "7"));
}

// --- What is not for the session -------------------------------------------------------------------------------------

TEST_F(CatchingTest, AFilterHoldsLiveAndOnReplay) {
  Start();
  for (const char* event : {"a", "b", "b", "a", "b"}) Publish(event);
  FakeSession session(*node_, 0, {});

  Subscribe(session, test::Last(5), {{"a"}, {}});
  for (const char* event : {"b", "a", "b"}) Publish(event);

  EXPECT_THAT(ReadUntil(session, 7),
              ElementsAre("1", "3: filtered=2", "4", "5: filtered=1", "6: filtered=1", "7", "8: filtered=1"));
}

TEST_F(CatchingTest, AtIdleTheMarkerComesByItself) {
  Start();
  FakeSession session(*node_, 0, {});
  Subscribe(session, {}, {{"a"}, {}});
  for (int i = 0; i < 3; ++i) Publish("b");

  EXPECT_THAT(ReadUntil(session, 1), ElementsAre("3: filtered=3"));
}

TEST_F(CatchingTest, ASelectorsMessagesAreMissingForOthersByCount) {
  Start();
  FakeSession alice(*node_, 0, {.user = "alice", .streams = {"chat"}});
  FakeSession bob(*node_, 0, {.user = "bob", .streams = {"chat"}});
  Publish("m", {.user_ids = {"alice"}});
  Publish("m", {.excluded_users = {"bob"}});
  Publish();
  Settle();

  EXPECT_THAT(Read(alice), ElementsAre("1", "2", "3"));
  EXPECT_THAT(Read(bob), ElementsAre("2: filtered=1 excluded=1", "3"));
}

TEST_F(CatchingTest, TermsAreRememberedInTheLog) {
  Start();
  Publish("m", {.user_ids = {"alice"}});
  Publish("m", {.excluded_sessions = {SessionId{0, 42}}});
  Publish("m", {.expires = wire::WallClock::now() - std::chrono::seconds(1)});
  Publish();
  FakeSession alice(*node_, 0, {.user = "alice"});
  FakeSession sender(*node_, 0, {});
  sender.With([](Session& s) { s.SetResumes({SessionId{0, 42}}); });

  Subscribe(alice, test::Last(4));
  Subscribe(sender, test::Last(4));

  EXPECT_THAT(Read(alice), ElementsAre("1", "2", "3: expired=1", "4"));
  EXPECT_THAT(Read(sender), ElementsAre("3: filtered=1 excluded=1 expired=1", "4"));
}

TEST_F(CatchingTest, NothingButFilteredMessagesStillEndsTheReplay) {
  Start();
  for (int i = 0; i < 1000; ++i) Publish("b");
  FakeSession session(*node_, 0, {});

  Subscribe(session, test::Last(1000), {{"a"}, {}});
  Publish("a");
  Settle();

  EXPECT_THAT(Read(session), ElementsAre("1000: filtered=1000", "1001"));
}

TEST_F(CatchingTest, WhatNoLogKeepsIsNotMissedWhereItIsFiltered) {
  Start(Rule(LogMode::kNone));
  FakeSession session(*node_, 0, {});
  Subscribe(session, {}, {{"a"}, {}});
  Publish("b");
  Publish("a");
  Settle();

  EXPECT_THAT(Read(session), ElementsAre("a"));
}

TEST_F(CatchingTest, ADoneReplayLeavesNothingBehind) {
  Start();
  PublishMany(5);
  FakeSession session(*node_, 0, {});
  Subscribe(session, test::Last(5));

  session.With([](Session& s) { EXPECT_FALSE(s.shard().FindTopic(StreamTopic("chat"))->members[0].special); });
}

TEST_F(CatchingTest, AnInboxIsRecoveredToo) {
  Start();
  for (int i = 0; i < 3; ++i) Publish("m", {}, false, test::UserTopic("alice"));
  FakeSession session(*node_, 0, {.user = "alice", .admitted = false});

  SubscribeAnswer answer = session.With([](Session& s) { return s.shard().Admit(s, test::Last(2)); });
  Settle();
  Publish("m", {.stream_subscribers_only = true}, false, test::UserTopic("alice"));
  Publish("m", {}, false, test::UserTopic("alice"));
  Settle();

  EXPECT_EQ(answer.at.offset, 1u);
  EXPECT_THAT(Read(session), ElementsAre("2", "3", "4: filtered=1", "5"));
  EXPECT_NE(session.Written().find(R"("log":"@user")"), std::string::npos);
}

// --- Reports ---------------------------------------------------------------------------------------------------------

TEST_F(CatchingTest, AReportCountsWhatBecameOfAMessage) {
  Start(Rule(LogMode::kLog, SlowPolicy::kDropNewest));
  PublishMany(50, 10'000);
  FakeSession plain(*node_, 0, {.user = "alice", .streams = {"chat"}});
  FakeSession other(*node_, 0, {.user = "bob", .streams = {"chat"}});
  FakeSession::Options small;
  small.user = "alice";
  small.blocked = true;
  small.settings.outbox_bytes = 100;
  small.streams = {"chat"};
  FakeSession slow(*node_, 0, small);
  FakeSession late(*node_, 0, {.user = "alice", .blocked = true});
  PublishMany(1);
  Subscribe(late, test::Last(50));

  std::promise<engine::DeliveryCounts> counted;
  auto report = std::make_shared<engine::DeliveryReport>(
      1, [&](const engine::DeliveryReport::Result& result) { counted.set_value(result.answers.at(0)); });
  wire::Terms terms{.user_ids = {"alice"}};
  engine::Publication publication{StreamTopic("chat"),
                                  MakeFrame("m", "chat", 0, std::make_shared<const wire::Terms>(terms))};
  publication.report = report;
  auto published = node_->node().Publish(publication);
  ASSERT_TRUE(published.ok());
  auto future = counted.get_future();
  ASSERT_EQ(future.wait_for(test::kPatience), std::future_status::ready);
  engine::DeliveryCounts counts = future.get();

  EXPECT_EQ(published->sessions, 4u);
  EXPECT_EQ(counts.queued, 1u);
  EXPECT_EQ(counts.filtered, 1u);
  EXPECT_EQ(counts.dropped, 1u);
  EXPECT_EQ(counts.replaying, 1u);
}

}  // namespace
}  // namespace carillon::hub
