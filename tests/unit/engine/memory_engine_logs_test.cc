#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "gateway/engine/memory_engine.h"
#include "gateway/engine/snapshot.h"
#include "tests/support/fake_door.h"
#include "tests/support/logged.h"

namespace carillon::engine {
namespace {

using test::At;
using test::MessageAt;
using test::OffsetsOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using wire::TopicKind;
using wire::TopicView;

TopicView Stream(std::string_view name) {
  return {0, TopicKind::kStream, name};
}

// Streams "log-…" and users have a log, "latest-…" the latest message, others nothing.
class MemoryEngineLogsTest : public ::testing::Test {
 protected:
  MemoryEngineLogsTest() {
    char name[] = "/tmp/carillon-engine-XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ / "logs";
    Start();
  }
  ~MemoryEngineLogsTest() override { std::filesystem::remove_all(folder_); }

  void Start(size_t log_bytes = 256 << 20, bool with_logs = true) {
    MemoryEngineOptions options;
    TopicRule log;
    log.log = {LogMode::kLog, 100, 1 << 20, std::chrono::hours(1), 50};
    TopicRule latest;
    latest.log.mode = LogMode::kLatest;
    if (with_logs) options.rules = StreamRules({{"log-*", log}, {"latest-*", latest}}, log.log);
    options.log_bytes = log_bytes;
    options.now = [this] { return now_; };
    engine_ = std::make_unique<MemoryEngine>(door_, std::move(options));
  }

  wire::Position Publish(const TopicView& topic, const std::string& event = "m", size_t payload_bytes = 0) {
    auto published = engine_->Publish(topic, MessageAt(event, now_, payload_bytes));
    EXPECT_TRUE(published.ok());
    return published->position.value_or(wire::Position{});
  }

  Subscribed Subscribe(const TopicView& topic, const Since& since = {}) { return engine_->Subscribe(topic, 0, since); }

  test::FakeDoor door_;
  test::Time now_ = At(0);
  std::filesystem::path folder_;
  std::string path_;
  std::unique_ptr<MemoryEngine> engine_;
};

TEST_F(MemoryEngineLogsTest, MessagesGetPositionsAndOthersGetNone) {
  EXPECT_EQ(Publish(Stream("log-a")).offset, 1u);
  EXPECT_EQ(Publish(Stream("log-a")).offset, 2u);
  EXPECT_EQ(Publish(Stream("log-b")).offset, 1u);
  EXPECT_EQ(Publish(Stream("chat")), wire::Position{});
  EXPECT_EQ(Publish({0, TopicKind::kEveryone, ""}), wire::Position{});
}

TEST_F(MemoryEngineLogsTest, WhatIsDeliveredCarriesItsPosition) {
  Subscribe(Stream("log-a"));
  TopicView alice{0, TopicKind::kUser, "alice"};
  Subscribe(alice);

  wire::Position first = Publish(Stream("log-a"));
  wire::Position second = Publish(alice);

  ASSERT_THAT(door_.deliveries, SizeIs(2));
  EXPECT_EQ(door_.deliveries[0].frame->position(), first);
  EXPECT_EQ(door_.deliveries[0].frame->envelope().log(), "");
  EXPECT_EQ(door_.deliveries[1].frame->position(), second);
  EXPECT_EQ(door_.deliveries[1].frame->envelope().log(), "@user");
}

TEST_F(MemoryEngineLogsTest, AFrameThatSeveralUsersShareGetsAPositionForEach) {
  wire::FramePtr shared = MessageAt("m", now_);
  for (const char* user : {"alice", "bob", "alice"}) {
    ASSERT_TRUE(engine_->Publish({0, TopicKind::kUser, user}, shared).ok());
  }

  EXPECT_TRUE(shared->unlogged());
  EXPECT_THAT(OffsetsOf(Subscribe({0, TopicKind::kUser, "alice"}, test::Last(9)).replay.frames), ElementsAre(1, 2));
  EXPECT_THAT(OffsetsOf(Subscribe({0, TopicKind::kUser, "bob"}, test::Last(9)).replay.frames), ElementsAre(1));
}

TEST_F(MemoryEngineLogsTest, TheFirstMessageContinuesWhatSubscribersWereTold) {
  Subscribed before = Subscribe(Stream("log-a"));
  EXPECT_EQ(before.top.offset, 0u);
  EXPECT_FALSE(before.top.epoch.empty());

  EXPECT_EQ(Publish(Stream("log-a")), (wire::Position{before.top.epoch, 1}));
  EXPECT_EQ(Subscribe(Stream("log-a"), test::Position(before.top.epoch, 0)).replay.recovery, Recovery::kOk);
}

TEST_F(MemoryEngineLogsTest, SubscribersWithoutMessagesLeaveNothingBehind) {
  size_t before = engine_->log_bytes();
  for (int i = 0; i < 1000; ++i) {
    std::string name = "log-" + std::to_string(i);
    Subscribe(Stream(name), test::Position("", 0));
    engine_->Unsubscribe(Stream(name), 0, true);
  }

  EXPECT_EQ(engine_->log_bytes(), before);
}

TEST_F(MemoryEngineLogsTest, WithoutALogRecoveryIsDisabled) {
  EXPECT_EQ(Subscribe(Stream("chat"), test::Position("x", 1)).replay.recovery, Recovery::kDisabled);
  EXPECT_EQ(Subscribe(Stream("chat")).replay.recovery, Recovery::kNotAsked);
  EXPECT_EQ(Subscribe(Stream("chat")).top, wire::Position{});
}

TEST_F(MemoryEngineLogsTest, AFullShardLeavesNoHoleInTheLog) {
  Subscribe(Stream("log-a"));
  door_.full = ShardBit(0);
  Publication publication{Stream("log-a"), MessageAt("m", now_)};
  EXPECT_EQ(engine_->Publish(publication).status().code(), absl::StatusCode::kResourceExhausted);
  ASSERT_NE(publication.frame, nullptr);
  EXPECT_TRUE(publication.frame->unlogged());
  door_.full = 0;

  EXPECT_EQ(engine_->Publish(publication)->position->offset, 1u);
}

TEST_F(MemoryEngineLogsTest, TheSubscriptionAndItsReplayMeetExactly) {
  // Each subscriber's replay and what the door delivers after its sequence make one run without a hole.
  constexpr int kMessages = 3000;
  engine_->Subscribe(Stream("log-a"), 1);
  std::atomic<int> published{0};
  std::thread publisher([&] {
    for (; published < kMessages; ++published) (void)engine_->Publish(Stream("log-a"), MessageAt("m", now_));
  });
  std::vector<Subscribed> subscribed;
  for (int i = 0; i < 300; ++i) {
    while (published < i * 10) std::this_thread::yield();  // they come all the while
    subscribed.push_back(engine_->Subscribe(Stream("log-a"), 0, test::Last(20)));
  }
  publisher.join();

  for (const Subscribed& one : subscribed) {
    uint64_t next = one.replay.from.offset + 1;
    for (const wire::FramePtr& frame : one.replay.frames) ASSERT_EQ(frame->offset(), next++);
    for (const Delivery& delivery : door_.deliveries) {
      if (delivery.sequence <= one.sequence) continue;
      ASSERT_EQ(delivery.frame->offset(), next++);
    }
    ASSERT_EQ(next, uint64_t{kMessages} + 1);
  }
}

// --- Options ---------------------------------------------------------------------------------------------------------

TEST_F(MemoryEngineLogsTest, ARequestIsPublishedOnce) {
  Subscribe(Stream("chat"));
  for (int i = 0; i < 3; ++i) {
    Publication publication{Stream("chat"), MessageAt("m" + std::to_string(i), now_)};
    publication.request_id = "r";
    publication.fingerprint = 5;
    auto published = engine_->Publish(publication);
    ASSERT_TRUE(published.ok());
    EXPECT_EQ(published->duplicate, i > 0);
    EXPECT_EQ(published->sessions, 1u);
    if (i > 0) {
      EXPECT_EQ(published->message_id, "00000000-m0");
    }
  }
  EXPECT_THAT(door_.deliveries, SizeIs(1));

  Publication other{Stream("chat"), MessageAt("m", now_)};
  other.request_id = "r";
  other.fingerprint = 6;
  EXPECT_EQ(engine_->Publish(other).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(MemoryEngineLogsTest, RacingAttemptsOfOneRequestAreOne) {
  Subscribe(Stream("log-a"));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        std::string id = std::to_string(i);
        Publication publication{Stream("log-a"), MessageAt("m", now_)};
        publication.request_id = id;
        (void)engine_->Publish(publication);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_THAT(door_.deliveries, SizeIs(500));
}

TEST_F(MemoryEngineLogsTest, APublisherMayInsistOnThePosition) {
  wire::Position top = Publish(Stream("log-a"));
  auto publish = [&](const wire::Position& expected, std::string_view stream = "log-a") {
    Publication publication{Stream(stream), MessageAt("m", now_)};
    publication.expected = &expected;
    return engine_->Publish(publication).status();
  };

  EXPECT_EQ(publish({top.epoch, 0}).code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(publish({"other", 1}).message()), HasSubstr(top.epoch));
  EXPECT_EQ(publish(top, "chat").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(publish(top).ok());
  EXPECT_EQ(publish(top).code(), absl::StatusCode::kAborted);
}

TEST_F(MemoryEngineLogsTest, ALogThatDoesNotExistYetStandsAtZero) {
  wire::Position zero = Subscribe(Stream("log-a")).top;
  Publication publication{Stream("log-a"), MessageAt("m", now_)};
  publication.expected = &zero;

  EXPECT_TRUE(engine_->Publish(publication).ok());
}

// --- Bounds ----------------------------------------------------------------------------------------------------------

TEST_F(MemoryEngineLogsTest, TheLeastRecentlyUsedLogIsTrimmedFirst) {
  Start(1 << 20);
  for (int i = 0; i < 40; ++i) Publish(Stream("log-old"), "m", 5000);
  for (int i = 0; i < 40; ++i) Publish(Stream("log-read"), "m", 5000);
  Subscribe(Stream("log-read"));
  ASSERT_LE(engine_->log_bytes(), 1u << 20);
  Subscribe(Stream("log-read"), test::Last(1));

  for (int i = 0; i < 40; ++i) Publish(Stream("log-new"), "m", 5000);

  EXPECT_LE(engine_->log_bytes(), 1u << 20);
  EXPECT_THAT(Subscribe(Stream("log-new"), test::Last(50)).replay.frames, SizeIs(40));
  EXPECT_THAT(Subscribe(Stream("log-read"), test::Last(50)).replay.frames, SizeIs(40));
  EXPECT_LT(Subscribe(Stream("log-old"), test::Last(50)).replay.frames.size(), 40u);
}

TEST_F(MemoryEngineLogsTest, APositionOutlivesTheMessages) {
  Start(1 << 20);
  wire::Position old = Publish(Stream("log-old"), "m", 5000);
  for (int i = 0; i < 400; ++i) Publish(Stream("log-" + std::to_string(i)), "m", 5000);

  EXPECT_THAT(Subscribe(Stream("log-old"), test::Last(50)).replay.frames, IsEmpty());
  // Who has missed nothing still recovers.
  EXPECT_EQ(Subscribe(Stream("log-old"), test::Position(old.epoch, 1)).replay.recovery, Recovery::kOk);
  EXPECT_EQ(Subscribe(Stream("log-old"), test::Position(old.epoch, 0)).replay.recovery, Recovery::kTrimmed);
}

TEST_F(MemoryEngineLogsTest, ALogThatWasForgottenNeverPassesForItself) {
  Start(1 << 20);
  wire::Position before = Publish(Stream("log-0"));
  wire::Position unborn = Subscribe(Stream("log-unborn")).top;
  for (int i = 1; i < 20'000; ++i) Publish(Stream("log-" + std::to_string(i)));

  wire::Position after = Publish(Stream("log-0"));

  EXPECT_NE(after.epoch, before.epoch);
  EXPECT_EQ(after.offset, 1u);
  EXPECT_EQ(Subscribe(Stream("log-0"), test::Position(before.epoch, 1)).replay.recovery, Recovery::kEpochChanged);
  // So too for one that did not exist: nobody knows what became of it.
  EXPECT_EQ(Subscribe(Stream("log-unborn"), test::Position(unborn.epoch, 0)).replay.recovery, Recovery::kEpochChanged);
  EXPECT_LE(engine_->log_bytes(), 1u << 20);
}

TEST_F(MemoryEngineLogsTest, WhatIsOldGoesWithoutAnybodyLooking) {
  for (int i = 0; i < 500; ++i) Publish(Stream("log-" + std::to_string(i)), "m", 1000);
  size_t full = engine_->log_bytes();
  now_ += std::chrono::hours(2);

  for (int i = 0; i < 64; ++i) engine_->Sweep();

  EXPECT_LT(engine_->log_bytes(), full / 4);
  EXPECT_EQ(Subscribe(Stream("log-7")).top.offset, 1u);
}

TEST_F(MemoryEngineLogsTest, RacingPublishersKeepTheBudget) {
  Start(4 << 20);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 4000; ++i) Publish(Stream("log-" + std::to_string(t * 1000 + i % 1000)), "m", 2000);
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_LE(engine_->log_bytes(), 4u << 20);
}

#ifndef CARILLON_SANITIZED  // sanitizers have an allocator of their own
// "A history of 10,000 streams with 100 messages each stays inside its byte budget": by the engine's own books, which
// must be no less than what the allocator says.
TEST_F(MemoryEngineLogsTest, TenThousandStreamsStayInsideTheBudget) {
  constexpr size_t kBudget = 64 << 20;
  door_.keeps = false;
  door_.encodes = true;
  for (int s = 0; s < 10'000; ++s) engine_->Subscribe(Stream("log-" + std::to_string(s)), 0);
  size_t before = ::mallinfo2().uordblks;
  Start(kBudget);
  for (int i = 0; i < 100; ++i) {
    for (int s = 0; s < 10'000; ++s) {
      (void)engine_->Publish(Stream("log-" + std::to_string(s)), MessageAt("m", now_, 64));
    }
  }

  EXPECT_LE(engine_->log_bytes(), kBudget);
  size_t really = ::mallinfo2().uordblks - before;
  EXPECT_LE(really, kBudget);
  EXPECT_GE(really, kBudget / 2);  // nor is it wasted
}
#endif

// --- For backends ----------------------------------------------------------------------------------------------------

TEST_F(MemoryEngineLogsTest, ALogIsReadInPages) {
  for (int i = 0; i < 10; ++i) Publish(Stream("log-a"));

  auto first = engine_->List(Stream("log-a"), nullptr, 4, 1 << 20);
  ASSERT_TRUE(first.ok());
  EXPECT_THAT(OffsetsOf(first->frames), ElementsAre(1, 2, 3, 4));
  EXPECT_TRUE(first->more);
  wire::Position after{first->top.epoch, 8};
  auto last = engine_->List(Stream("log-a"), &after, 4, 1 << 20);
  EXPECT_THAT(OffsetsOf(last->frames), ElementsAre(9, 10));
  EXPECT_FALSE(last->more);
  EXPECT_EQ(last->top.offset, 10u);
}

TEST_F(MemoryEngineLogsTest, APageIsBoundedInBytesButNeverEmpty) {
  for (int i = 0; i < 5; ++i) Publish(Stream("log-a"), "m", 10'000);

  auto page = engine_->List(Stream("log-a"), nullptr, 100, 15'000);

  EXPECT_THAT(page->frames, SizeIs(2));
  EXPECT_TRUE(page->more);
  EXPECT_THAT(engine_->List(Stream("log-a"), nullptr, 100, 1)->frames, SizeIs(1));
}

TEST_F(MemoryEngineLogsTest, ReadingSaysWhereItCannot) {
  EXPECT_EQ(engine_->List(Stream("chat"), nullptr, 1, 1).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(engine_->Clear(Stream("chat")).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(engine_->List(Stream("log-a"), nullptr, 1, 1)->frames, IsEmpty());
  wire::Position wrong{"other", 0};
  EXPECT_EQ(engine_->List(Stream("log-a"), &wrong, 1, 1).status().code(), absl::StatusCode::kAborted);
}

// --- Snapshots -------------------------------------------------------------------------------------------------------

TEST_F(MemoryEngineLogsTest, LogsOutliveTheProcess) {
  wire::Position a = Publish(Stream("log-a"));
  Publish(Stream("log-a"), "second");
  Publish(Stream("latest-b"), "latest");
  Publish({0, TopicKind::kUser, "alice"}, "inbox");
  wire::Position unborn = Subscribe(Stream("log-unborn")).top;
  auto written = engine_->WriteSnapshot(path_);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->logs, 3u);
  EXPECT_EQ(written->messages, 4u);
  Start();

  auto loaded = engine_->LoadSnapshot(path_);

  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->logs, 3u);
  EXPECT_EQ(loaded->messages, 4u);
  EXPECT_THAT(OffsetsOf(Subscribe(Stream("log-a"), test::Position(a.epoch, 1)).replay.frames), ElementsAre(2));
  EXPECT_THAT(OffsetsOf(Subscribe({0, TopicKind::kUser, "alice"}, test::Last(1)).replay.frames), ElementsAre(1));
  EXPECT_THAT(OffsetsOf(Subscribe(Stream("latest-b")).replay.frames), ElementsAre(1));
  EXPECT_EQ(Publish(Stream("log-a")), (wire::Position{a.epoch, 3}));
  EXPECT_EQ(Publish(Stream("log-unborn")), (wire::Position{unborn.epoch, 1}));
}

TEST_F(MemoryEngineLogsTest, PlacesOfGroupsOutliveTheProcess) {
  std::vector<GroupPlace> places = {{wire::kDefaultApp, "alone", {{"e1", 7}}},
                                    {wire::kDefaultApp, "writers", {{"e1", 3}, {"e2", 0}}}};
  engine_->feed().KeepPlaces(places);
  ASSERT_TRUE(engine_->WriteSnapshot(path_).ok());
  Start();
  ASSERT_TRUE(engine_->LoadSnapshot(path_).ok());
  EXPECT_EQ(engine_->feed().TakePlaces(), places);
  EXPECT_THAT(engine_->feed().TakePlaces(), IsEmpty());
}

TEST_F(MemoryEngineLogsTest, APlaceInNoFeedCostsNothingElse) {
  Publish(Stream("log-a"));
  std::vector<GroupPlace> places = {{wire::kDefaultApp, "lost", {{"e1", 3}, {"an-epoch-that-never-was", 7}}},
                                    {wire::kDefaultApp, "sound", {{"e1", 7}}}};
  engine_->feed().KeepPlaces(places);
  ASSERT_TRUE(engine_->WriteSnapshot(path_).ok());
  Start();
  auto loaded = engine_->LoadSnapshot(path_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->messages, 1u);
  EXPECT_THAT(engine_->feed().TakePlaces(), ElementsAre(places[1]));
}

TEST_F(MemoryEngineLogsTest, PlacesThatAreNoneAreTorn) {
  const char* const kBad[] = {
      "name: ''  acknowledged { epoch: 'e' }", "name: 'a b'  acknowledged { epoch: 'e' }",           "name: 'g'",
      "name: 'g'  acknowledged { epoch: '' }", "name: 'g'  acknowledged { epoch: 'much-too-long' }",
  };
  for (const char* bad : kBad) {
    Start();
    SnapshotWriter writer(path_);
    ASSERT_TRUE(writer.Open().ok());
    v1::SnapshotRecord head, group, end;
    head.mutable_head()->set_era("e");
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(bad, group.mutable_group()));
    end.mutable_end();
    for (const auto* record : {&head, &group, &end}) ASSERT_TRUE(writer.Write(*record).ok());
    ASSERT_TRUE(writer.Commit().ok());
    EXPECT_EQ(engine_->LoadSnapshot(path_).status().code(), absl::StatusCode::kDataLoss) << bad;
  }
}

// Times beyond what the clock can hold are no times; reckoning with them would be undefined.
TEST_F(MemoryEngineLogsTest, ASnapshotOfImpossibleTimesIsTorn) {
  using Change = std::function<void(v1::SnapshotRecord&)>;
  const std::pair<int, Change> kChanges[] = {
      {0, [](auto& record) { record.mutable_head()->set_era_began_ms(int64_t{1} << 60); }},
      {0, [](auto& record) { record.mutable_head()->set_era_began_ms(-1); }},
      {1, [](auto& record) { record.mutable_log()->set_complete_since_ms(int64_t{1} << 60); }},
      {2, [](auto& record) { record.mutable_message()->mutable_envelope()->mutable_time()->set_seconds(26114152192); }},
      {2, [](auto& record) { record.mutable_message()->mutable_envelope()->mutable_time()->set_nanos(-1); }},
      {2, [](auto& record) { record.mutable_message()->mutable_terms()->set_expires_ms(int64_t{1} << 62); }},
      {2, [](auto& record) { record.mutable_message()->mutable_terms()->set_deliver_by_ms(-7); }},
  };
  for (const auto& [at, change] : kChanges) {
    Start();
    Publish(Stream("log-a"));
    ASSERT_TRUE(engine_->WriteSnapshot(path_).ok());
    std::vector<v1::SnapshotRecord> records(4);  // the head, the log, its message, the end
    SnapshotReader reader(path_);
    ASSERT_TRUE(reader.Open().ok());
    for (auto& record : records) ASSERT_TRUE(reader.Read(&record).ok());
    change(records[at]);
    SnapshotWriter writer(path_);
    ASSERT_TRUE(writer.Open().ok());
    for (const auto& record : records) ASSERT_TRUE(writer.Write(record).ok());
    ASSERT_TRUE(writer.Commit().ok());

    Start();
    EXPECT_EQ(engine_->LoadSnapshot(path_).status().code(), absl::StatusCode::kDataLoss) << at;
  }
}

TEST_F(MemoryEngineLogsTest, WhatAProcessLeftThatDiedWhileItWroteIsRemoved) {
  std::ofstream(AsideOf(path_)) << "carillon snapshot 1";

  EXPECT_EQ(engine_->LoadSnapshot(path_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(AsideOf(path_)));
}

TEST_F(MemoryEngineLogsTest, ASnapshotIsUsedOnce) {
  Publish(Stream("log-a"));
  ASSERT_TRUE(engine_->WriteSnapshot(path_).ok());
  Start();
  ASSERT_TRUE(engine_->LoadSnapshot(path_).ok());

  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_EQ(engine_->LoadSnapshot(path_).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(MemoryEngineLogsTest, LogsThatTheRulesNoLongerWantAreForgottenForGood) {
  wire::Position before = Publish(Stream("log-a"));
  ASSERT_TRUE(engine_->WriteSnapshot(path_).ok());
  Start(256 << 20, false);
  auto loaded = engine_->LoadSnapshot(path_);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->left_out, 1u);
  EXPECT_EQ(loaded->logs, 0u);
  ASSERT_TRUE(engine_->WriteSnapshot(path_).ok());
  Start();
  ASSERT_TRUE(engine_->LoadSnapshot(path_).ok());

  EXPECT_NE(Publish(Stream("log-a")).epoch, before.epoch);
}

TEST_F(MemoryEngineLogsTest, ATornSnapshotChangesNothing) {
  for (int i = 0; i < 5; ++i) Publish(Stream("log-a"));
  ASSERT_TRUE(engine_->WriteSnapshot(path_).ok());
  auto size = std::filesystem::file_size(path_);
  for (auto cut : {size - 1, size / 2, uintmax_t{30}}) {
    std::filesystem::resize_file(path_, cut);
    Start();
    EXPECT_EQ(engine_->LoadSnapshot(path_).status().code(), absl::StatusCode::kDataLoss);
    EXPECT_TRUE(std::filesystem::exists(path_));
    EXPECT_EQ(Subscribe(Stream("log-a")).top.offset, 0u);
  }
  std::ofstream(path_, std::ios::trunc) << "not a snapshot";
  EXPECT_EQ(engine_->LoadSnapshot(path_).status().code(), absl::StatusCode::kInvalidArgument);
}

// Whole records in an order that no engine writes.
TEST_F(MemoryEngineLogsTest, SnapshotsThatMakeNoSenseAreRefused) {
  auto write = [&](const std::vector<std::string>& records) {
    SnapshotWriter writer(path_);
    ASSERT_TRUE(writer.Open().ok());
    for (const std::string& kind : records) {
      v1::SnapshotRecord record;
      if (kind == "head") record.mutable_head()->set_era("e");
      if (kind == "log" || kind == "bad log") {
        record.mutable_log()->set_kind(kind == "log" ? 0 : 99);
        record.mutable_log()->set_name("log-a");
        record.mutable_log()->set_epoch("e");
        record.mutable_log()->set_top(1);
      }
      if (kind == "message") {
        record.mutable_message()->mutable_envelope()->mutable_position()->set_epoch("e");
        record.mutable_message()->mutable_envelope()->mutable_position()->set_offset(1);
      }
      if (kind == "end") record.mutable_end()->set_logs(1);
      if (kind == "end" && records.size() > 3) record.mutable_end()->set_messages(1);
      ASSERT_TRUE(writer.Write(record).ok());
    }
    ASSERT_TRUE(writer.Commit().ok());
  };
  const std::vector<std::vector<std::string>> bad = {{"log", "end"},
                                                     {"head", "message", "end"},
                                                     {"head", "bad log", "end"},
                                                     {"head", "log", "message", "message", "end"},
                                                     {"head", "head", "end"},
                                                     {"head", "end"},
                                                     {"head", "log"}};
  for (const auto& records : bad) {
    write(records);
    EXPECT_FALSE(engine_->LoadSnapshot(path_).ok()) << ::testing::PrintToString(records);
    EXPECT_EQ(engine_->log_bytes(), 0u);
  }
  write({"head", "log", "message", "end"});
  EXPECT_TRUE(engine_->LoadSnapshot(path_).ok());
}

// --- Other rules -----------------------------------------------------------------------------------------------------

TopicRule LogOf(size_t messages) {
  TopicRule rule;
  rule.log = {LogMode::kLog, messages, 1 << 20, std::chrono::hours(1), 50};
  return rule;
}

TEST_F(MemoryEngineLogsTest, OtherRulesCountFromTheNextMessageOn) {
  Subscribe(Stream("chat"));
  Publish(Stream("chat"));
  engine_->SetRules(StreamRules({{"chat", LogOf(10)}}, {}));
  EXPECT_EQ(Publish(Stream("chat")).offset, 1u);

  ASSERT_THAT(door_.deliveries, SizeIs(2));
  EXPECT_FALSE(door_.deliveries[0].rule->logged());
  EXPECT_TRUE(door_.deliveries[1].rule->logged());
  EXPECT_THAT(OffsetsOf(Subscribe(Stream("chat"), test::Last(9)).replay.frames), ElementsAre(1));
}

TEST_F(MemoryEngineLogsTest, ALogIsCutToItsNewRuleAndGrowsByIt) {
  for (int i = 0; i < 9; ++i) Publish(Stream("log-a"));
  engine_->SetRules(StreamRules({{"log-*", LogOf(3)}}, {}));
  EXPECT_THAT(OffsetsOf(Subscribe(Stream("log-a"), test::Last(9)).replay.frames), ElementsAre(7, 8, 9));
  Publish(Stream("log-a"));
  EXPECT_THAT(OffsetsOf(Subscribe(Stream("log-a"), test::Last(9)).replay.frames), ElementsAre(8, 9, 10));

  engine_->SetRules(StreamRules({{"log-*", LogOf(5)}}, {}));
  for (int i = 0; i < 3; ++i) Publish(Stream("log-a"));
  EXPECT_THAT(OffsetsOf(Subscribe(Stream("log-a"), test::Last(9)).replay.frames), ElementsAre(9, 10, 11, 12, 13));
}

TEST_F(MemoryEngineLogsTest, ALogThatIsNotWantedIsForgottenWithItsMemory) {
  size_t before = engine_->log_bytes();
  wire::Position old = Publish(Stream("log-a"), "m", 10'000);
  Publish({0, TopicKind::kUser, "alice"});
  engine_->SetRules(StreamRules());
  EXPECT_EQ(engine_->log_bytes(), before);
  EXPECT_EQ(Subscribe(Stream("log-a"), test::Position(old.epoch, 0)).replay.recovery, Recovery::kDisabled);

  // Should it be wanted again, nobody's position is taken for one of the new log's.
  engine_->SetRules(StreamRules({{"log-*", LogOf(3)}}, {}));
  EXPECT_EQ(Subscribe(Stream("log-a"), test::Position(old.epoch, 1)).replay.recovery, Recovery::kEpochChanged);
  EXPECT_NE(Publish(Stream("log-a")).epoch, old.epoch);
}

TEST_F(MemoryEngineLogsTest, WhoIsCatchingUpIsToldThatTheLogIsAnother) {
  wire::Position at = Publish(Stream("log-a"));
  at.offset = 0;
  engine_->SetRules(StreamRules());
  EXPECT_TRUE(engine_->CatchUp(Stream("log-a"), at, 10).broken);
}

TEST_F(MemoryEngineLogsTest, TheSameRulesChangeNothing) {
  wire::Position first = Publish(Stream("log-a"));
  TopicRule log = LogOf(100);
  engine_->SetRules(StreamRules({{"log-*", log}}, log.log));
  EXPECT_EQ(Publish(Stream("log-a")), (wire::Position{first.epoch, 2}));
}

// --- Apps ------------------------------------------------------------------------------------------------------------

TEST_F(MemoryEngineLogsTest, AppsHaveTheirOwnRulesAndLogs) {
  std::vector<AppRules> apps;
  apps.push_back({0, "default", StreamRules({{"*", LogOf(10)}}, {})});
  apps.push_back({2, "blog", StreamRules({{"*", LogOf(10)}}, {})});
  engine_->SetRules(RulesByApp(std::move(apps)));
  TopicView in_default{0, TopicKind::kStream, "chat"};
  TopicView in_blog{2, TopicKind::kStream, "chat"};

  wire::Position first = Publish(in_default);
  EXPECT_EQ(Publish(in_default).offset, 2u);
  EXPECT_EQ(Publish(in_blog).offset, 1u);
  EXPECT_NE(Publish(in_blog).epoch, first.epoch);
  EXPECT_EQ(Publish({1, TopicKind::kStream, "chat"}), wire::Position{});
  EXPECT_EQ(Publish({7, TopicKind::kStream, "chat"}), wire::Position{});
}

TEST_F(MemoryEngineLogsTest, ASnapshotKnowsAppsByTheirNames) {
  auto rules = [](wire::AppId blog) {
    std::vector<AppRules> apps;
    apps.push_back({0, "default", StreamRules({{"*", LogOf(10)}}, {})});
    apps.push_back({blog, "blog", StreamRules({{"*", LogOf(10)}}, {})});
    return RulesByApp(std::move(apps));
  };
  engine_->SetRules(rules(1));
  Publish({0, TopicKind::kStream, "chat"}, "of default");
  wire::Position in_blog = Publish({1, TopicKind::kStream, "chat"}, "of blog");
  ASSERT_TRUE(engine_->WriteSnapshot(path_).ok());

  Start();
  engine_->SetRules(rules(3));
  auto loaded = engine_->LoadSnapshot(path_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->logs, 2u);
  TopicView now{3, TopicKind::kStream, "chat"};
  auto frames = Subscribe(now, test::Last(9)).replay.frames;
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_EQ(frames[0]->envelope().event(), "of blog");
  EXPECT_EQ(Publish(now), (wire::Position{in_blog.epoch, 2}));
}

TEST_F(MemoryEngineLogsTest, LogsOfAnAppThatIsNotThereAreLeftOut) {
  std::vector<AppRules> apps;
  apps.push_back({0, "default", StreamRules()});
  apps.push_back({1, "blog", StreamRules({{"*", LogOf(10)}}, {})});
  engine_->SetRules(RulesByApp(std::move(apps)));
  Publish({1, TopicKind::kStream, "chat"});
  ASSERT_TRUE(engine_->WriteSnapshot(path_).ok());

  Start();
  auto loaded = engine_->LoadSnapshot(path_);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->logs, 0u);
  EXPECT_EQ(loaded->left_out, 1u);
}

}  // namespace
}  // namespace carillon::engine
