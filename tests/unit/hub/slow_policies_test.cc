#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/support/fake_session.h"
#include "tests/support/logged.h"
#include "tests/support/seed.h"
#include "tests/support/test_node.h"

namespace carillon::hub {
namespace {

namespace json = boost::json;
using engine::LogMode;
using engine::SlowPolicy;
using test::FakeSession;
using test::MakeFrame;
using test::StreamTopic;
using ::testing::Optional;
using wire::SkipReason;

// Streams by their policy: "oldest", "newest", "conflate", and any other disconnects. All keep a log.
engine::MemoryEngineOptions Options() {
  auto rule = [](SlowPolicy slow) {
    engine::TopicRule rule;
    rule.log = {LogMode::kLog, 100'000, 1 << 30, std::chrono::hours(1), 100'000};
    rule.slow = slow;
    return rule;
  };
  engine::MemoryEngineOptions options;
  options.rules = engine::StreamRules({{"oldest", rule(SlowPolicy::kDropOldest)},
                                       {"newest", rule(SlowPolicy::kDropNewest)},
                                       {"conflate", rule(SlowPolicy::kConflate)},
                                       {"*", rule(SlowPolicy::kDisconnect)}},
                                      {});
  return options;
}

// A client that follows a stream as docs/protocol.md says, and checks that everything is accounted for.
class Follower {
 public:
  explicit Follower(std::string stream) : stream_(std::move(stream)) {}

  void Read(const std::string& bytes) {
    for (const std::string& text : test::SplitFrames(bytes)) {
      json::value frame = json::parse(text);
      if (frame.at("stream").as_string() == stream_) {
        const json::object& meta = frame.at("meta").as_object();
        if (!meta.contains("offset")) continue;  // no log keeps it
        auto offset = meta.at("offset").to_number<uint64_t>();
        if (offset <= position_) wrong_ = fmt::format("message {} after {}", offset, position_);
        missing_ += offset - position_ - 1;
        position_ = offset;
        ++messages_;
        last_[std::string(frame.at("event").as_string())] = offset;
      } else if (frame.at("event").as_string() == "skip" && frame.at("data").at("stream").as_string() == stream_) {
        const json::object& data = frame.at("data").as_object();
        if (!data.contains("offset")) continue;
        auto offset = data.at("offset").to_number<uint64_t>();
        if (offset < position_) wrong_ = fmt::format("marker {} after {}", offset, position_);
        missing_ += offset - position_;
        position_ = offset;
        for (const char* reason : {"conflated", "dropped", "expired", "filtered", "excluded"}) {
          if (data.contains(reason)) counted_[reason] += data.at(reason).to_number<uint64_t>();
        }
      }
    }
  }

  // Everything up to `top` was read or counted.
  void ExpectWhole(uint64_t top) {
    EXPECT_EQ(wrong_, "");
    EXPECT_EQ(position_, top);
    uint64_t counted = 0;
    for (const auto& [reason, count] : counted_) counted += count;
    EXPECT_EQ(missing_, counted);
    EXPECT_EQ(messages_ + counted, top);
  }

  uint64_t position() const { return position_; }
  uint64_t messages() const { return messages_; }
  uint64_t counted(const std::string& reason) const {
    auto it = counted_.find(reason);
    return it == counted_.end() ? 0 : it->second;
  }
  const std::map<std::string, uint64_t>& last() const { return last_; }

 private:
  const std::string stream_;
  std::string wrong_;  // offsets that went back
  uint64_t position_ = 0;
  uint64_t messages_ = 0;
  uint64_t missing_ = 0;
  std::map<std::string, uint64_t> counted_;
  std::map<std::string, uint64_t> last_;  // offset by event
};

class SlowPoliciesTest : public ::testing::Test {
 protected:
  static FakeSession::Options Slow(std::vector<std::string> streams, uint32_t messages = 100, size_t bytes = 1 << 20) {
    FakeSession::Options options;
    options.streams = std::move(streams);
    options.blocked = true;
    options.settings.outbox_messages = messages;
    options.settings.outbox_bytes = bytes;
    options.settings.outbox_patience = std::chrono::milliseconds(0);
    return options;
  }

  void Publish(const std::string& stream, const std::string& event = "m", size_t bytes = 0) {
    ASSERT_TRUE(node_.node().Publish(StreamTopic(stream), MakeFrame(event, stream, bytes)).ok());
    node_.Settle();
  }

  // What the client of a session reads of a stream. Markers that are still owed come within a second of the shard's
  // time.
  static Follower Finish(FakeSession& session, const std::string& stream, uint64_t top) {
    session.SetBlocked(false);
    auto deadline = std::chrono::steady_clock::now() + test::kPatience;
    for (;;) {
      Follower follower(stream);
      follower.Read(session.Written());
      if (follower.position() == top || std::chrono::steady_clock::now() > deadline) return follower;
      std::this_thread::yield();
    }
  }

  uint64_t lost(SkipReason reason) { return node_.node().shard(0).stats().lost[static_cast<size_t>(reason)].value(); }

  test::TestNode node_{1, {}, Options()};
};

TEST_F(SlowPoliciesTest, DropOldestKeepsTheNewest) {
  FakeSession session(node_, 0, Slow({"oldest"}));
  for (int i = 0; i < 500; ++i) Publish("oldest");
  EXPECT_LE(session.waiting_messages(), 101u);
  EXPECT_EQ(session.closed(), std::nullopt);

  Follower follower = Finish(session, "oldest", 500);

  follower.ExpectWhole(500);
  EXPECT_GE(follower.messages(), 80u);
  EXPECT_EQ(follower.counted("dropped"), 500 - follower.messages());
  EXPECT_EQ(follower.last().at("m"), 500u);
  EXPECT_EQ(lost(SkipReason::kDropped), follower.counted("dropped"));
}

TEST_F(SlowPoliciesTest, DropNewestKeepsTheOldest) {
  FakeSession session(node_, 0, Slow({"newest"}));
  for (int i = 0; i < 500; ++i) Publish("newest");
  EXPECT_EQ(session.waiting_messages(), 100u);

  Follower follower = Finish(session, "newest", 500);

  follower.ExpectWhole(500);
  EXPECT_EQ(follower.messages(), 100u);
  EXPECT_EQ(follower.last().at("m"), 100u);
  EXPECT_EQ(lost(SkipReason::kDropped), 400u);
}

TEST_F(SlowPoliciesTest, AfterDropNewestTheMarkerComesBeforeTheNextMessage) {
  FakeSession session(node_, 0, Slow({"newest"}, 10));
  for (int i = 0; i < 20; ++i) Publish("newest");
  session.SetBlocked(false);
  Publish("newest");

  Follower follower("newest");
  follower.Read(session.Written());

  follower.ExpectWhole(21);
  EXPECT_EQ(follower.counted("dropped"), 10u);
}

TEST_F(SlowPoliciesTest, ConflateKeepsTheNewestOfEachKey) {
  FakeSession slow(node_, 0, Slow({"conflate"}));
  FakeSession quick(node_, 0, {.streams = {"conflate"}});
  for (int i = 0; i < 2000; ++i) Publish("conflate", "key" + std::to_string(i % 150));
  EXPECT_EQ(slow.closed(), std::nullopt);
  EXPECT_LE(slow.waiting_messages(), 150u + 100u);

  Follower follower = Finish(slow, "conflate", 2000);
  Follower everything("conflate");
  everything.Read(quick.Written());

  follower.ExpectWhole(2000);
  EXPECT_GT(follower.counted("conflated"), 1500u);
  EXPECT_EQ(everything.messages(), 2000u);
  EXPECT_EQ(follower.last(), everything.last());
}

TEST_F(SlowPoliciesTest, DisconnectClosesAndDropsNothing) {
  FakeSession session(node_, 0, Slow({"chat"}));
  for (int i = 0; i < 101; ++i) Publish("chat");

  EXPECT_THAT(session.closed(), Optional(4101));
  EXPECT_EQ(lost(SkipReason::kDropped), 0u);
}

TEST_F(SlowPoliciesTest, BytesAreABoundForEveryPolicy) {
  FakeSession session(node_, 0, Slow({"oldest", "newest", "conflate"}, 1'000'000, 100'000));
  for (int i = 0; i < 60; ++i) {
    for (const char* stream : {"oldest", "newest", "conflate"}) {
      Publish(stream, "e" + std::to_string(i), 2000);
      size_t bytes = session.With([](Session& s) { return s.outbox().bytes(); });
      ASSERT_LE(bytes, 110'000u);
    }
  }
  EXPECT_EQ(session.closed(), std::nullopt);

  session.SetBlocked(false);
  for (const char* stream : {"oldest", "newest", "conflate"}) {
    Follower follower = Finish(session, stream, 60);
    follower.ExpectWhole(60);
  }
}

TEST_F(SlowPoliciesTest, WhatMayBeDroppedGivesWayToWhatMayNot) {
  FakeSession session(node_, 0, Slow({"oldest", "chat"}));
  for (int i = 0; i < 100; ++i) Publish("oldest");
  for (int i = 0; i < 90; ++i) Publish("chat");
  EXPECT_EQ(session.closed(), std::nullopt);

  Follower chat = Finish(session, "chat", 90);
  chat.ExpectWhole(90);
  EXPECT_EQ(chat.messages(), 90u);

  // When there is nothing left to drop, it is closed.
  session.SetBlocked(true);
  for (int i = 0; i < 102; ++i) Publish("chat");
  EXPECT_THAT(session.closed(), Optional(4101));
}

TEST_F(SlowPoliciesTest, ABurstWithinPatienceCostsNothing) {
  FakeSession::Options options = Slow({"oldest", "newest", "conflate"}, 10);
  options.settings.outbox_patience = std::chrono::seconds(1000);
  FakeSession session(node_, 0, options);
  for (int i = 0; i < 50; ++i) {
    for (const char* stream : {"oldest", "newest", "conflate"}) Publish(stream);
  }

  session.SetBlocked(false);

  EXPECT_EQ(session.Heard().size(), 150u);
  EXPECT_EQ(lost(SkipReason::kDropped) + lost(SkipReason::kConflated), 0u);
}

TEST_F(SlowPoliciesTest, WhatBecameTooLateInTheQueueIsNotWritten) {
  FakeSession session(node_, 0, Slow({"chat"}));
  auto soon = std::make_shared<wire::Terms>();
  soon->deliver_by = wire::WallClock::now() + std::chrono::milliseconds(20);
  ASSERT_TRUE(node_.node().Publish(StreamTopic("chat"), MakeFrame("late", "chat", 0, soon)).ok());
  Publish("chat", "lasts");
  while (wire::WallClock::now() < soon->deliver_by) std::this_thread::yield();

  session.SetBlocked(false);

  Follower follower("chat");
  follower.Read(session.Written());
  follower.ExpectWhole(2);
  EXPECT_EQ(follower.counted("expired"), 1u);
  EXPECT_EQ(follower.last().count("late"), 0u);
}

// The goodbye is queued behind what may be too late by the time it is written.
TEST_F(SlowPoliciesTest, AGoodbyeOutlivesWhatIsTooLate) {
  FakeSession session(node_, 0, Slow({"chat"}));
  auto soon = std::make_shared<wire::Terms>();
  soon->deliver_by = wire::WallClock::now() + std::chrono::milliseconds(20);
  ASSERT_TRUE(node_.node().Publish(StreamTopic("chat"), MakeFrame("late", "chat", 0, soon)).ok());
  node_.Settle();
  session.With([](Session& s) {
    s.Reply(dialect::Restart{5});
    s.Close(wire::CloseCode::kRestart, "bye");
    s.outbox().Seal();
  });
  while (wire::WallClock::now() < soon->deliver_by) std::this_thread::yield();

  session.SetBlocked(false);

  EXPECT_EQ(session.Heard().back(), "restart");
}

TEST_F(SlowPoliciesTest, AConflatingStreamDoesNotSilenceOneThatDropsTheNewest) {
  FakeSession session(node_, 0, Slow({"conflate", "newest"}));
  for (int i = 0; i < 300; ++i) Publish("conflate", "key" + std::to_string(i));
  for (int i = 0; i < 50; ++i) Publish("newest");

  Follower follower = Finish(session, "newest", 50);

  follower.ExpectWhole(50);
  EXPECT_EQ(follower.messages(), 50u);
}

TEST_F(SlowPoliciesTest, WithinPatienceOnlyBytesAreJudged) {
  FakeSession::Options options = Slow({"oldest"}, 10, 100'000);
  options.settings.outbox_patience = std::chrono::seconds(1000);
  FakeSession session(node_, 0, options);
  for (int i = 0; i < 60; ++i) Publish("oldest", "m", 2000);

  EXPECT_GT(session.waiting_messages(), 30u);
}

// Of what no log keeps there is one count, however much of it is dropped between messages of the log.
TEST_F(SlowPoliciesTest, MarkersDoNotPileUp) {
  FakeSession session(node_, 0, Slow({"oldest", "newest"}, 10));
  for (int i = 0; i < 500; ++i) {
    for (const char* stream : {"oldest", "newest"}) {
      Publish(stream);
      engine::Publication typing{StreamTopic(stream), MakeFrame("typing", stream)};
      typing.skip_history = true;
      ASSERT_TRUE(node_.node().Publish(typing).ok());
    }
  }

  EXPECT_LE(session.waiting_messages(), 30u);
  Follower follower = Finish(session, "oldest", 500);
  EXPECT_EQ(follower.position(), 500u);
}

TEST_F(SlowPoliciesTest, ASessionKnowsWhatItHasLost) {
  FakeSession session(node_, 0, Slow({"oldest"}, 10));
  for (int i = 0; i < 30; ++i) Publish("oldest");

  Session::Lag lag = session.With([](Session& s) { return s.lag(); });

  EXPECT_GE(lag.lost[SkipReason::kDropped], 19u);
  EXPECT_GT(lag.messages, 0u);
  EXPECT_GT(lag.bytes, 0u);
}

// Readers that come and go between stopping and reading, over all policies at once: whatever happens, what each read is
// whole, or it was closed.
TEST_F(SlowPoliciesTest, EveryMessageIsReadOrCounted) {
  test::Random random;
  const char* streams[] = {"oldest", "newest", "conflate", "chat"};
  std::vector<std::unique_ptr<FakeSession>> sessions;
  for (int i = 0; i < 6; ++i) {
    sessions.push_back(std::make_unique<FakeSession>(
        node_, 0, Slow({"oldest", "newest", "conflate"}, 5 + random.Below(50), 5'000 + random.Below(50'000))));
  }
  FakeSession::Options firm = Slow({"oldest", "newest", "conflate", "chat"}, 50);
  sessions.push_back(std::make_unique<FakeSession>(node_, 0, firm));
  std::map<std::string, uint64_t> tops;
  for (size_t step = 0; step < test::Scaled(20'000); ++step) {
    if (random.OneIn(10)) {
      sessions[random.Below(sessions.size())]->SetBlocked(random.OneIn(2));
    } else {
      const char* stream = streams[random.Below(4)];
      ++tops[stream];
      ASSERT_TRUE(node_.node()
                      .Publish(StreamTopic(stream),
                               MakeFrame("k" + std::to_string(random.Below(20)), stream, random.Below(400)))
                      .ok());
      if (random.OneIn(5)) node_.Settle();
    }
  }
  node_.Settle();
  for (auto& session : sessions) {
    session->SetBlocked(false);
    if (session->closed().has_value()) continue;
    for (const char* stream : {"oldest", "newest", "conflate"}) {
      Follower follower = Finish(*session, stream, tops[stream]);
      follower.ExpectWhole(tops[stream]);
    }
  }
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(sessions[i]->closed(), std::nullopt);
}

}  // namespace
}  // namespace carillon::hub
