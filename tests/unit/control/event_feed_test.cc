#include "control/event_feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "gateway/engine/memory_engine.h"
#include "tests/support/fake_door.h"
#include "tests/support/seed.h"

namespace carillon::control {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Bell : public EventFeed::Watcher {
 public:
  void Wake() override { ++rung; }
  std::atomic<int> rung{0};
};

class EventFeedTest : public ::testing::Test {
 protected:
  EventFeedTest() { feed_.Start(engine_); }

  static engine::RulesByApp Keeping(size_t messages) {
    engine::LogRule rule = engine::kFeedRule;
    rule.messages = messages;
    if (messages == 0) rule.mode = engine::LogMode::kNone;
    return engine::StreamRules({}, {}, rule);
  }

  StatusOr<std::unique_ptr<EventFeed::Stay>> TryJoin(WatchOrder order) { return feed_.Join(std::move(order), bell_); }

  std::unique_ptr<EventFeed::Stay> Join(std::string group = "", uint32_t partitions = 1) {
    WatchOrder order;
    order.group = std::move(group);
    order.partitions = partitions;
    auto stay = TryJoin(std::move(order));
    EXPECT_TRUE(stay.ok()) << MessageOf(stay.status());
    return *std::move(stay);
  }

  // Something happens to a session.
  void Happen(int session = 0, v1::EventKind kind = v1::EVENT_KIND_SESSION_OPENED) {
    engine_.feed().Record(0, kind, [&](v1::FeedEvent& event) { event.set_session_id(std::to_string(session)); });
  }

  // The offsets of everything that there is now, but for news of parts.
  static std::vector<uint64_t> Read(EventFeed::Stay& stay) {
    std::vector<uint64_t> offsets;
    while (auto next = *stay.Next()) {
      for (const v1::FeedEvent& event : next->events()) offsets.push_back(event.offset());
    }
    return offsets;
  }

  test::FakeDoor door_;
  engine::MemoryEngine engine_{door_};
  EventFeed feed_;
  std::shared_ptr<Bell> bell_ = std::make_shared<Bell>();
};

TEST_F(EventFeedTest, ItBeginsNowAndFirstSaysWhere) {
  auto before = Join();
  Happen();
  auto stay = Join();
  Happen();

  auto first = *stay->Next();

  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->scanned_to().offset(), 1u);
  EXPECT_THAT(first->assignment().partitions(), ElementsAre(0u));
  EXPECT_THAT(first->events(), IsEmpty());
  EXPECT_THAT(Read(*stay), ElementsAre(2u));
  EXPECT_THAT(Read(*before), ElementsAre(1u, 2u));
}

TEST_F(EventFeedTest, WhoStandsByGetsWhatWasNotAcknowledged) {
  auto first = Join("g");
  auto second = Join("g");
  for (int i = 0; i < 5; ++i) Happen();
  EXPECT_THAT(Read(*first), ElementsAre(1u, 2u, 3u, 4u, 5u));
  EXPECT_THAT(Read(*second), IsEmpty());
  ASSERT_TRUE(first->Ack(0, "", 2).ok());

  first.reset();

  EXPECT_THAT(Read(*second), ElementsAre(3u, 4u, 5u));
}

TEST_F(EventFeedTest, AcknowledgingWhatWasNotSentIsAnError) {
  auto stay = Join("g");
  Happen();
  EXPECT_FALSE(stay->Ack(0, "", 1).ok());
  Read(*stay);
  EXPECT_TRUE(stay->Ack(0, "", 1).ok());
  EXPECT_TRUE(stay->Ack(0, "", 1).ok());
  EXPECT_FALSE(stay->Ack(1, "", 1).ok());
  EXPECT_FALSE(Join()->Ack(0, "", 0).ok());
}

TEST_F(EventFeedTest, WhatWasForgottenIsSaidOnce) {
  engine_.SetRules(Keeping(3));
  auto stay = Join("g");
  ASSERT_TRUE((*stay->Next())->has_assignment());
  for (int i = 0; i < 8; ++i) Happen();

  auto next = *stay->Next();

  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->lost().lost_from(), 1u);
  EXPECT_EQ(next->lost().lost_to(), 5u);
  EXPECT_EQ(next->events(0).offset(), 6u);
  ASSERT_TRUE(stay->Ack(0, "", 6).ok());
  Happen();
  next = *stay->Next();
  EXPECT_FALSE(next->has_lost());
}

TEST_F(EventFeedTest, WithoutAFeedNobodyWatches) {
  auto stay = Join();
  engine_.SetRules(Keeping(0));
  EXPECT_TRUE(absl::IsFailedPrecondition(stay->Next().status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(TryJoin({}).status()));
  Happen();  // is nobody's
}

TEST_F(EventFeedTest, AnOtherFeedIsSaidAndReadFromItsBegin) {
  engine_.SetRules(Keeping(100));
  auto stay = Join("g");
  Happen();
  Read(*stay);
  engine_.SetRules(Keeping(0));
  engine_.SetRules(Keeping(100));
  Happen();
  Happen();

  auto next = *stay->Next();

  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->lost().lost_from(), 2u);
  EXPECT_EQ(next->lost().lost_to(), 0u);
  EXPECT_EQ(next->events_size(), 2);
}

// The place that the group had says nothing of the feed that there is now.
TEST_F(EventFeedTest, APlaceInAnotherFeedIsNobodysToInherit) {
  WatchOrder order;
  order.group = "g";
  order.resume = wire::Position{"another", 50'000};
  auto first = *TryJoin(order);
  for (int i = 0; i < 10; ++i) Happen();
  EXPECT_EQ(Read(*first).size(), 10u);
  EXPECT_TRUE(first->Ack(0, "another", 7).ok());  // is of no effect

  first.reset();

  auto second = *TryJoin(order);
  EXPECT_EQ(Read(*second).size(), 10u);
}

TEST_F(EventFeedTest, WhoStandsByIsToldWhatIsAcknowledgedAndNoMore) {
  auto first = Join("g");
  for (int i = 0; i < 5; ++i) Happen();
  Read(*first);
  ASSERT_TRUE(first->Ack(0, "", 2).ok());
  auto next = *Join("g")->Next();
  EXPECT_EQ(next->scanned_to().offset(), 2u);
}

TEST_F(EventFeedTest, GroupsGoOnWhereTheyWere) {
  auto stay = Join("g", 2);
  for (int i = 0; i < 20; ++i) Happen(i);
  std::map<uint32_t, uint64_t> acknowledged;
  std::set<uint64_t> open;
  while (auto next = *stay->Next()) {
    if (next->events().empty()) continue;
    uint32_t part = next->partition();
    acknowledged[part] = next->events(1).offset();
    ASSERT_TRUE(stay->Ack(part, "", acknowledged[part]).ok());
    for (int i = 2; i < next->events_size(); ++i) open.insert(next->events(i).offset());
  }
  ASSERT_EQ(acknowledged.size(), 2u);
  stay.reset();
  auto other = Join("alone");

  auto places = feed_.Places();
  EventFeed next_feed;
  engine_.feed().KeepPlaces(places);
  next_feed.Start(engine_);

  EXPECT_EQ(next_feed.Places(), places);
  ASSERT_EQ(places.size(), 2u);
  EXPECT_EQ(places[0].group, "alone");
  EXPECT_EQ(places[1].group, "g");
  WatchOrder order;
  order.group = "g";
  order.partitions = 2;
  order.resume = wire::Position{places[1].acknowledged[0].epoch, 20};  // counts for groups that are new
  auto again = next_feed.Join(order, bell_);
  ASSERT_TRUE(again.ok());
  auto read = Read(**again);
  EXPECT_EQ(std::set<uint64_t>(read.begin(), read.end()), open);
  order.partitions = 1;
  EXPECT_EQ(next_feed.Join(order, bell_).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(EventFeedTest, AFilterThatTakesNothingStillMovesOn) {
  WatchOrder order;
  order.wish.kinds = {v1::EVENT_KIND_DRAIN};
  auto stay = *TryJoin(std::move(order));
  ASSERT_TRUE((*stay->Next())->has_assignment());
  for (int i = 0; i < 10'000; ++i) Happen();

  size_t responses = 0;
  uint64_t scanned = 0;
  while (auto next = *stay->Next()) {
    ++responses;
    EXPECT_THAT(next->events(), IsEmpty());
    EXPECT_GT(next->scanned_to().offset(), scanned);
    scanned = next->scanned_to().offset();
  }
  EXPECT_GE(responses, 2u);
  EXPECT_LE(responses, 3u);
  EXPECT_GE(scanned, 8000u);
}

TEST_F(EventFeedTest, ThoseWhoWaitAreWoken) {
  auto stay = Join();
  while (bell_->rung == 0) std::this_thread::yield();  // by its own coming
  Read(*stay);
  int before = bell_->rung;
  Happen();
  feed_.Signal(0);  // as the door does
  while (bell_->rung == before) std::this_thread::yield();
  EXPECT_THAT(Read(*stay), ElementsAre(1u));
}

// Members come and go, acknowledge some of what they get, and things happen. Whatever was acknowledged does not come
// again, everything else does until it was, and each session's events are with one part.
TEST_F(EventFeedTest, EveryEventIsDealtWithAtLeastOnce) {
  test::Random random;
  constexpr uint32_t kParts = 3;
  std::vector<std::unique_ptr<EventFeed::Stay>> members;
  members.push_back(Join("g", kParts));
  std::set<uint64_t> dealt_with;
  std::map<uint64_t, uint32_t> parts;  // of events
  uint64_t happened = 0;
  auto read = [&](EventFeed::Stay& stay, bool acknowledge) {
    while (auto next = *stay.Next()) {
      ASSERT_FALSE(next->has_lost());
      for (const v1::FeedEvent& event : next->events()) {
        ASSERT_FALSE(dealt_with.contains(event.offset())) << "comes again after it was acknowledged";
        auto [it, fresh] = parts.emplace(event.offset(), next->partition());
        ASSERT_EQ(it->second, next->partition());
      }
      if (next->events().empty() || !acknowledge) continue;
      uint64_t upto = next->events(static_cast<int>(random.Below(static_cast<size_t>(next->events_size())))).offset();
      ASSERT_TRUE(stay.Ack(next->partition(), next->scanned_to().epoch(), upto).ok());
      for (const auto& [offset, part] : parts) {
        if (part == next->partition() && offset <= upto) dealt_with.insert(offset);
      }
    }
  };
  for (size_t step = 0; step < test::Scaled(3000) && !HasFatalFailure(); ++step) {
    size_t who = random.Below(members.size());
    if (random.OneIn(8) && members.size() < 5) {
      members.push_back(Join("g", kParts));
    } else if (random.OneIn(8) && members.size() > 1) {
      members.erase(members.begin() + static_cast<ptrdiff_t>(who));
    } else if (random.OneIn(3)) {
      read(*members[who], !random.OneIn(3));
    } else {
      Happen(static_cast<int>(random.Below(20)));
      ++happened;
    }
  }
  while (dealt_with.size() < happened && !HasFatalFailure()) {
    members.erase(members.begin());
    if (members.empty()) members.push_back(Join("g", kParts));
    for (auto& member : members) read(*member, true);
  }
  EXPECT_EQ(parts.size(), happened);
}

}  // namespace
}  // namespace carillon::control
