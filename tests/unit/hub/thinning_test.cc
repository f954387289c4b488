#include "gateway/hub/thinning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/logged.h"
#include "tests/support/seed.h"
#include "tests/support/test_node.h"

namespace carillon::hub {
namespace {

using engine::SlowPolicy;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using wire::SkipReason;

const wire::WallClock::time_point kNow = test::At(0);

// Reads queues as words: a message is "STREAM OFFSET", a marker "skip STREAM TO/COVERS: REASON=COUNT…".
class ThinningTest : public ::testing::Test {
 protected:
  static PacketTagPtr Tag(const std::string& stream, SlowPolicy slow) {
    return PacketTagPtr(new PacketTag(wire::Topic(test::StreamTopic(stream)), slow));
  }

  // A message of a stream that may be dropped.
  void Push(const std::string& stream, uint64_t offset, SlowPolicy slow, const std::string& key = "k",
            bool perishable = false) {
    auto terms = std::make_shared<wire::Terms>();
    terms->conflation_key = key;
    if (perishable) terms->deliver_by = kNow;
    wire::FramePtr frame = test::MakeFrame("m", stream, 0, terms);
    frame = wire::Frame::At(std::move(frame), {epoch_, offset}, "");
    texts_.push_back(std::make_unique<std::string>(stream + " " + std::to_string(offset) + ";"));
    outbox_.Push(PacketPtr(new Packet(Tag(stream, slow), frame, nullptr, *texts_.back())));
  }
  void PushFirm(const std::string& text) { outbox_.Push(MakePacket(text + ";")); }

  static std::string Word(const wire::Skip& skip) {
    std::string text = fmt::format("skip {} {}/{}:", skip.log, skip.to.offset, skip.covers);
    const char* names[] = {"filtered", "excluded", "expired", "conflated", "dropped"};
    for (size_t i = 0; i < wire::kSkipReasons; ++i) {
      if (skip.counts.of[i] > 0) text += fmt::format(" {}={}", names[i], skip.counts.of[i]);
    }
    return text + ";";
  }

  std::vector<std::string> Queue() {
    std::vector<iovec> pieces(1000);
    size_t count = outbox_.Gather(pieces);
    std::string all;
    for (size_t i = 0; i < count; ++i) all.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
    EXPECT_EQ(all.size(), outbox_.bytes());
    std::vector<std::string> words;
    for (size_t end; (end = all.find(';')) != std::string::npos; all.erase(0, end + 1))
      words.push_back(all.substr(0, end));
    if (!all.empty()) words.push_back(all);
    return words;
  }

  Outbox outbox_;
  std::string epoch_ = "e";
  std::vector<std::unique_ptr<std::string>> texts_;
};

TEST_F(ThinningTest, TheOldestOfTheStreamGo) {
  PushFirm("hello");
  for (uint64_t i = 1; i <= 4; ++i) Push("a", i, SlowPolicy::kDropOldest);

  Thinned thinned = DropOldest(outbox_, test::StreamTopic("a"), false, 2, 0, Word);

  EXPECT_EQ(thinned[SkipReason::kDropped], 2u);
  EXPECT_THAT(Queue(), ElementsAre("hello", "skip a 2/2: dropped=2", "a 3", "a 4"));
}

TEST_F(ThinningTest, AMarkerGrowsWhileItWaits) {
  for (uint64_t i = 1; i <= 6; ++i) Push("a", i, SlowPolicy::kDropOldest);
  DropOldest(outbox_, test::StreamTopic("a"), false, 2, 0, Word);

  DropOldest(outbox_, test::StreamTopic("a"), false, 2, 0, Word);

  EXPECT_THAT(Queue(), ElementsAre("skip a 4/4: dropped=4", "a 5", "a 6"));
}

TEST_F(ThinningTest, OtherStreamsGoOnlyWhereThatIsAskedFor) {
  Push("a", 1, SlowPolicy::kDropOldest);
  Push("b", 7, SlowPolicy::kDropNewest);
  Push("c", 3, SlowPolicy::kDisconnect);

  DropOldest(outbox_, test::StreamTopic("a"), false, 5, 0, Word);
  EXPECT_THAT(Queue(), ElementsAre("skip a 1/1: dropped=1", "b 7", "c 3"));
  DropOldest(outbox_, test::StreamTopic("a"), true, 5, 0, Word);
  EXPECT_THAT(Queue(), ElementsAre("skip a 1/1: dropped=1", "skip b 7/7: dropped=1", "c 3"));
}

TEST_F(ThinningTest, EnoughIsEnough) {
  for (uint64_t i = 1; i <= 9; ++i) Push("a", i, SlowPolicy::kDropOldest);

  EXPECT_EQ(DropOldest(outbox_, test::StreamTopic("a"), true, 0, 6, Word)[SkipReason::kDropped], 2u);
  EXPECT_EQ(DropOldest(outbox_, test::StreamTopic("a"), true, 0, 0, Word)[SkipReason::kDropped], 0u);
}

TEST_F(ThinningTest, OfEachKeyTheNewestStaysAndOffsetsNeverGoBack) {
  Push("a", 1, SlowPolicy::kConflate, "x");
  Push("a", 2, SlowPolicy::kConflate, "y");
  Push("a", 3, SlowPolicy::kConflate, "x");
  Push("a", 4, SlowPolicy::kConflate, "z");
  Push("a", 5, SlowPolicy::kConflate, "y");

  Thinned thinned = Conflate(outbox_, Word);

  EXPECT_EQ(thinned[SkipReason::kConflated], 2u);
  EXPECT_THAT(Queue(), ElementsAre("skip a 2/2: conflated=2", "a 3", "a 4", "a 5"));
}

TEST_F(ThinningTest, AMarkerCoversWhatIsMissingBehindIt) {
  Push("a", 1, SlowPolicy::kConflate, "x");
  Push("a", 2, SlowPolicy::kConflate, "y");
  Push("a", 3, SlowPolicy::kConflate, "z");
  Push("a", 4, SlowPolicy::kConflate, "x");
  Push("a", 5, SlowPolicy::kConflate, "z");

  Conflate(outbox_, Word);

  // 3 is missing behind 2: the position must not say 3 before 2 has come.
  EXPECT_THAT(Queue(), ElementsAre("skip a 1/3: conflated=2", "a 2", "a 4", "a 5"));
}

TEST_F(ThinningTest, KeysOfOtherStreamsAreOtherKeys) {
  Push("a", 1, SlowPolicy::kConflate, "x");
  Push("b", 1, SlowPolicy::kConflate, "x");

  EXPECT_TRUE(Conflate(outbox_, Word).none());
  EXPECT_THAT(Queue(), ElementsAre("a 1", "b 1"));
}

TEST_F(ThinningTest, WhatIsTooLateGoesWhateverThePolicy) {
  Push("a", 1, SlowPolicy::kDisconnect, "", true);
  Push("a", 2, SlowPolicy::kDisconnect);
  Push("b", 1, SlowPolicy::kConflate, "", true);

  Thinned thinned = DropStale(outbox_, kNow, Word);

  EXPECT_EQ(thinned[SkipReason::kExpired], 2u);
  EXPECT_THAT(Queue(), ElementsAre("skip a 1/1: expired=1", "a 2", "skip b 1/1: expired=1"));
  EXPECT_EQ(outbox_.perishable(), 0u);
}

TEST_F(ThinningTest, APositionNeverRunsAheadOfAMessageThatNobodyKnows) {
  Push("a", 1, SlowPolicy::kDisconnect, "", true);
  PushFirm("a 2");  // of the same stream, but nothing tells
  Push("a", 3, SlowPolicy::kDisconnect, "", true);

  DropStale(outbox_, kNow, Word);

  EXPECT_THAT(Queue(), ElementsAre("skip a 1/1: expired=1", "a 2", "skip a 3/3: expired=1"));
}

TEST_F(ThinningTest, WhereTheLastIsMissingTheEndSaysSo) {
  for (uint64_t i = 1; i <= 4; ++i) Push("a", i, SlowPolicy::kDisconnect, "", i % 2 == 0);

  DropStale(outbox_, kNow, Word);
  EXPECT_THAT(Queue(), ElementsAre("a 1", "skip a 2/2: expired=1", "a 3", "skip a 4/4: expired=1"));

  Push("a", 5, SlowPolicy::kDisconnect);
  Push("a", 6, SlowPolicy::kDisconnect, "", true);
  DropStale(outbox_, kNow, Word);
  EXPECT_THAT(Queue(), ElementsAre("a 1", "skip a 2/4: expired=2", "a 3", "a 5", "skip a 6/6: expired=1"));
}

TEST_F(ThinningTest, WhatIsHalfWrittenStays) {
  Push("a", 1, SlowPolicy::kDropOldest);
  Push("a", 2, SlowPolicy::kDropOldest);
  outbox_.Consume(1);

  DropOldest(outbox_, test::StreamTopic("a"), true, 5, 0, Word);

  EXPECT_THAT(Queue(), ElementsAre(" 1", "skip a 2/2: dropped=1"));
}

TEST_F(ThinningTest, AnotherEpochHasAMarkerOfItsOwn) {
  Push("a", 8, SlowPolicy::kDropOldest);
  epoch_ = "f";
  Push("a", 1, SlowPolicy::kDropOldest);

  DropOldest(outbox_, test::StreamTopic("a"), true, 5, 0, Word);

  EXPECT_THAT(Queue(), ElementsAre("skip a 8/8: dropped=1", "skip a 1/1: dropped=1"));
}

TEST_F(ThinningTest, ADialectWithoutMarkersGetsNone) {
  Push("a", 1, SlowPolicy::kDropOldest);

  DropOldest(outbox_, test::StreamTopic("a"), true, 5, 0, [](const wire::Skip&) { return std::string(); });

  EXPECT_THAT(Queue(), IsEmpty());
}

// Whatever happens to a queue, what is read from it accounts for every message, and the position is never ahead.
TEST_F(ThinningTest, EveryMessageIsReadOrCounted) {
  test::Random random;
  for (int round = 0; round < 300; ++round) {
    Outbox outbox;
    outbox_ = Outbox();
    texts_.clear();
    uint64_t offset = 0;
    std::vector<std::string> read;
    for (int step = 0; step < 60; ++step) {
      switch (random.Below(6)) {
        case 0:
          Conflate(outbox_, Word);
          break;
        case 1:
          DropOldest(outbox_, test::StreamTopic("a"), true, random.Below(4), 0, Word);
          break;
        case 2:
          DropStale(outbox_, kNow, Word);
          break;
        case 3: {
          std::vector<std::string> words = Queue();
          size_t whole = random.Below(std::min<size_t>(3, words.size()) + 1);
          for (size_t i = 0; i < whole; ++i) {
            read.push_back(words[i]);
            outbox_.Consume(words[i].size() + 1);
          }
          break;
        }
        default:
          Push("a", ++offset, SlowPolicy::kConflate, std::to_string(random.Below(3)), random.OneIn(4));
      }
    }
    std::vector<std::string> rest = Queue();
    read.insert(read.end(), rest.begin(), rest.end());

    uint64_t position = 0;
    uint64_t messages = 0;
    uint64_t counted = 0;
    for (const std::string& word : read) {
      uint64_t number = 0;
      uint64_t covers = 0;
      if (std::sscanf(word.c_str(), "skip a %lu/%lu:", &number, &covers) == 2) {
        ASSERT_GE(covers, number);
        for (size_t at = 0; (at = word.find('=', at)) != std::string::npos; ++at)
          counted += std::stoul(word.substr(at + 1));
        ASSERT_GE(number, position) << ::testing::PrintToString(read);
        position = number;
        continue;
      }
      ASSERT_EQ(std::sscanf(word.c_str(), "a %lu", &number), 1);
      ASSERT_GT(number, position) << ::testing::PrintToString(read);
      position = number;
      ++messages;
    }
    ASSERT_EQ(messages + counted, offset) << ::testing::PrintToString(read);
    ASSERT_EQ(position, offset) << ::testing::PrintToString(read);
  }
}

}  // namespace
}  // namespace carillon::hub
