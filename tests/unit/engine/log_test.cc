#include "gateway/engine/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/logged.h"

namespace carillon::engine {
namespace {

using test::After;
using test::At;
using test::Last;
using test::OffsetsOf;
using test::Position;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr wire::TopicView kChat{0, wire::TopicKind::kStream, "chat"};

class LogTest : public ::testing::Test {
 protected:
  LogTest() { rule_.log = {LogMode::kLog, 5, 1 << 20, std::chrono::seconds(10), 4}; }

  Log& log() {
    if (log_ == nullptr) log_ = std::make_unique<Log>(kChat, rule_, "e1", At(0));
    return *log_;
  }

  // One message at each of the times.
  void Append(std::initializer_list<int64_t> times, size_t payload_bytes = 0) {
    for (int64_t ms : times) {
      auto frame = test::MessageAt("m", At(ms), payload_bytes);
      log().Append(wire::Frame::At(frame, log().next(), ""), At(ms), &graveyard_);
    }
  }

  Replay Read(const Since& since, int64_t now = 100) { return log().Read(since, At(now), &graveyard_); }

  TopicRule rule_;
  std::unique_ptr<Log> log_;
  Log::Graveyard graveyard_;
};

TEST_F(LogTest, AnEmptyLogHasAPosition) {
  EXPECT_EQ(log().top(), (wire::Position{"e1", 0}));
  EXPECT_EQ(Read(Position("e1", 0)).recovery, Recovery::kOk);
  EXPECT_EQ(Read(Last(3)).recovery, Recovery::kOk);
  EXPECT_THAT(Read({}).frames, IsEmpty());
}

TEST_F(LogTest, OffsetsCountFromOne) {
  Append({1, 2, 3});

  Replay all = Read(Position("e1", 0));

  EXPECT_EQ(all.recovery, Recovery::kOk);
  EXPECT_THAT(OffsetsOf(all.frames), ElementsAre(1, 2, 3));
  EXPECT_EQ(all.from, (wire::Position{"e1", 0}));
  EXPECT_EQ(log().top(), (wire::Position{"e1", 3}));
}

TEST_F(LogTest, WithoutAskingNothingIsReplayed) {
  Append({1, 2, 3});

  Replay replay = Read({});

  EXPECT_EQ(replay.recovery, Recovery::kNotAsked);
  EXPECT_THAT(replay.frames, IsEmpty());
  EXPECT_EQ(replay.from, (wire::Position{"e1", 3}));
}

// Each row of docs/guarantees.md's table of reasons.
TEST_F(LogTest, RecoveryIsAllOrNothingAndSaysWhy) {
  rule_.log.max_replay = 3;
  Append({1, 2, 3, 4, 5, 6, 7});  // 3 to 7 are kept

  struct Case {
    wire::Position position;
    Recovery recovery;
    std::vector<uint64_t> offsets;
  } cases[] = {
      {{"e1", 7}, Recovery::kOk, {}},           {{"e1", 6}, Recovery::kOk, {7}},
      {{"e1", 4}, Recovery::kOk, {5, 6, 7}},    {{"e1", 3}, Recovery::kTooFar, {}},
      {{"e1", 2}, Recovery::kTooFar, {}},       {{"e1", 1}, Recovery::kTrimmed, {}},
      {{"e1", 0}, Recovery::kTrimmed, {}},      {{"e1", 8}, Recovery::kEpochChanged, {}},
      {{"e0", 7}, Recovery::kEpochChanged, {}}, {{"", 5}, Recovery::kEpochChanged, {}},
      {{"", 0}, Recovery::kTrimmed, {}},
  };
  for (const Case& c : cases) {
    Replay replay = Read(Position(c.position.epoch, c.position.offset));
    EXPECT_EQ(replay.recovery, c.recovery) << c.position.epoch << ":" << c.position.offset;
    EXPECT_EQ(OffsetsOf(replay.frames), c.offsets) << c.position.epoch << ":" << c.position.offset;
    // Who recovers goes on from where they were; who does not begins at the top.
    uint64_t from = c.recovery == Recovery::kOk ? c.position.offset : 7;
    EXPECT_EQ(replay.from, (wire::Position{"e1", from})) << c.position.epoch << ":" << c.position.offset;
  }
}

TEST_F(LogTest, FromTheBeginningNeedsNoEpoch) {
  Append({1, 2});

  EXPECT_THAT(OffsetsOf(Read(Position("", 0)).frames), ElementsAre(1, 2));
}

TEST_F(LogTest, TheNewestAsFarAsThereAreAny) {
  Append({1, 2, 3, 4, 5, 6});

  EXPECT_THAT(OffsetsOf(Read(Last(2)).frames), ElementsAre(5, 6));
  EXPECT_EQ(Read(Last(2)).from.offset, 4u);
  EXPECT_THAT(OffsetsOf(Read(Last(100)).frames), ElementsAre(3, 4, 5, 6));  // max_replay
  EXPECT_THAT(Read(Last(0)).frames, IsEmpty());
}

TEST_F(LogTest, SinceATimeIsAllOrNothingToo) {
  Append({10, 20, 30});

  EXPECT_THAT(OffsetsOf(Read(After(At(20))).frames), ElementsAre(3));
  EXPECT_THAT(OffsetsOf(Read(After(At(0))).frames), ElementsAre(1, 2, 3));
  EXPECT_THAT(Read(After(At(30))).frames, IsEmpty());
  EXPECT_EQ(Read(After(At(30))).recovery, Recovery::kOk);
  // From before the log began: nobody knows.
  EXPECT_EQ(Read(After(At(-1))).recovery, Recovery::kEpochChanged);

  Append({40, 50, 60, 70});  // 10 and 20 are gone

  EXPECT_EQ(Read(After(At(19))).recovery, Recovery::kTrimmed);
  EXPECT_EQ(Read(After(At(20))).recovery, Recovery::kTooFar);
  EXPECT_THAT(OffsetsOf(Read(After(At(30))).frames), ElementsAre(4, 5, 6, 7));
}

TEST_F(LogTest, MessagesGoWhenTheyAreTooOld) {
  Append({0, 5'000, 9'000});

  EXPECT_THAT(OffsetsOf(Read(Position("e1", 0), 9'999).frames), ElementsAre(1, 2, 3));
  EXPECT_EQ(Read(Position("e1", 0), 10'000).recovery, Recovery::kTrimmed);
  EXPECT_THAT(OffsetsOf(Read(Position("e1", 1), 10'000).frames), ElementsAre(2, 3));
  // The position stays when nothing else does.
  EXPECT_EQ(Read(Position("e1", 3), 100'000).recovery, Recovery::kOk);
  EXPECT_EQ(log().messages(), 0u);
  EXPECT_EQ(log().top().offset, 3u);
}

TEST_F(LogTest, BytesAreBoundedButTheNewestStays) {
  rule_.log.max_bytes = 10'000;
  Append({1, 2, 3}, 3'000);
  EXPECT_EQ(log().messages(), 1u);
  EXPECT_LE(log().bytes() - log().own_bytes(), 10'000u);

  Append({4}, 50'000);

  EXPECT_EQ(log().messages(), 1u);
  EXPECT_EQ(log().top().offset, 4u);
}

TEST_F(LogTest, TheBooksBalance) {
  size_t empty = log().bytes();
  Append({1, 2, 3, 4, 5, 6, 7, 8}, 100);
  EXPECT_GT(log().bytes(), empty);
  EXPECT_EQ(graveyard_.size(), 3u);

  log().TrimAge(At(1'000'000), &graveyard_);

  EXPECT_EQ(log().bytes(), empty);
  EXPECT_EQ(graveyard_.size(), 8u);
}

TEST_F(LogTest, ClearedItBeginsAnew) {
  Append({1, 2, 3});

  log().Clear("e2", At(50), &graveyard_);

  EXPECT_EQ(log().top(), (wire::Position{"e2", 0}));
  EXPECT_EQ(Read(Position("e1", 3)).recovery, Recovery::kEpochChanged);
  EXPECT_EQ(Read(After(At(49))).recovery, Recovery::kEpochChanged);
  EXPECT_EQ(Read(After(At(50))).recovery, Recovery::kOk);
  Append({60});
  EXPECT_THAT(OffsetsOf(Read(Position("e2", 0)).frames), ElementsAre(1));
}

TEST_F(LogTest, TheLatestStandsForAllBeforeIt) {
  rule_.log = {LogMode::kLatest, 1, 1 << 20, std::chrono::seconds(10), 300};
  EXPECT_THAT(Read({}).frames, IsEmpty());
  Append({1, 2, 3, 4, 5});

  Replay fresh = Read({});
  EXPECT_EQ(fresh.recovery, Recovery::kNotAsked);
  EXPECT_THAT(OffsetsOf(fresh.frames), ElementsAre(5));
  EXPECT_EQ(fresh.from.offset, 4u);

  Replay back = Read(Position("e1", 2));
  EXPECT_EQ(back.recovery, Recovery::kOk);
  EXPECT_THAT(OffsetsOf(back.frames), ElementsAre(5));
  EXPECT_EQ(back.from.offset, 2u);
  EXPECT_EQ(back.conflated, 2u);

  EXPECT_THAT(Read(Position("e1", 5)).frames, IsEmpty());
  // From another life of the log, the latest is still the latest.
  Replay other = Read(Position("e0", 9));
  EXPECT_EQ(other.recovery, Recovery::kEpochChanged);
  EXPECT_THAT(OffsetsOf(other.frames), ElementsAre(5));
}

}  // namespace
}  // namespace carillon::engine
