#include "gateway/hub/outbox.h"

#include <gtest/gtest.h>

#include <array>
#include <deque>

#include "tests/support/seed.h"

namespace carillon::hub {
namespace {

using Kind = Packet::Kind;

// What the outbox would write first, over at most `vectors` pieces.
std::string Front(const Outbox& outbox, size_t vectors = 64) {
  std::vector<iovec> pieces(vectors);
  size_t count = outbox.Gather(pieces);
  std::string bytes;
  for (size_t i = 0; i < count; ++i) bytes.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  return bytes;
}

TEST(OutboxTest, IsWrittenInOrder) {
  Outbox outbox;
  outbox.Push(MakePacket("one,"));
  outbox.Push(MakePacket("two,", Kind::kProtocol));
  outbox.PushPong(MakePacket("pong", Kind::kPong));

  EXPECT_EQ(Front(outbox), "one,two,pong");
  EXPECT_EQ(outbox.bytes(), 12u);
  EXPECT_EQ(outbox.messages(), 3u);
}

TEST(OutboxTest, AWriteMayEndAnywhere) {
  Outbox outbox;
  outbox.Push(MakePacket("abc"));
  outbox.Push(MakePacket("def"));

  outbox.Consume(2);
  EXPECT_TRUE(outbox.torn());
  EXPECT_EQ(Front(outbox), "cdef");
  outbox.Consume(1);
  EXPECT_FALSE(outbox.torn());
  EXPECT_EQ(Front(outbox), "def");
  outbox.Consume(3);
  EXPECT_TRUE(outbox.empty());
  EXPECT_EQ(outbox.bytes(), 0u);
}

TEST(OutboxTest, GathersNoMoreThanItIsGivenRoomFor) {
  Outbox outbox;
  for (int i = 0; i < 5; ++i) outbox.Push(MakePacket(std::to_string(i)));

  EXPECT_EQ(Front(outbox, 2), "01");
}

TEST(OutboxTest, WhatLiesEndToEndIsOnePiece) {
  PacketRunPtr run(new PacketRun(100));
  Outbox outbox;
  for (const char* text : {"one,", "two,", "three,"}) {
    std::string_view bytes = run->Append(text);
    outbox.Push(PacketPtr(new Packet(run, bytes)));
  }
  outbox.Push(MakePacket("pong", Kind::kPong));
  outbox.Push(PacketPtr(new Packet(run, run->Append("four"))));

  EXPECT_EQ(Front(outbox, 1), "one,two,three,");
  EXPECT_EQ(Front(outbox, 3), "one,two,three,pongfour");
  outbox.Consume(5);
  EXPECT_EQ(Front(outbox, 1), "wo,three,");
}

TEST(OutboxTest, GathersNotMuchMoreThanASocketTakes) {
  Outbox outbox;
  for (int i = 0; i < 100; ++i) outbox.Push(MakePacket(std::string(100'000, 'x')));

  EXPECT_LT(Front(outbox, 100).size(), 500'000u);
}

TEST(OutboxTest, OnlyTheNewestPongWaits) {
  Outbox outbox;
  outbox.PushPong(MakePacket("pong1", Kind::kPong));
  outbox.Push(MakePacket("data"));
  outbox.PushPong(MakePacket("pong2", Kind::kPong));
  outbox.PushPong(MakePacket("pong3", Kind::kPong));

  EXPECT_EQ(Front(outbox), "datapong3");
  EXPECT_EQ(outbox.bytes(), 9u);
}

TEST(OutboxTest, APongThatIsTornIsFinishedBeforeTheNext) {
  Outbox outbox;
  outbox.PushPong(MakePacket("pong1", Kind::kPong));
  outbox.Consume(1);

  outbox.PushPong(MakePacket("pong2", Kind::kPong));

  EXPECT_EQ(Front(outbox), "ong1pong2");
}

TEST(OutboxTest, APongThatWasWrittenIsNotMissed) {
  Outbox outbox;
  outbox.PushPong(MakePacket("pong1", Kind::kPong));
  outbox.Push(MakePacket("data"));
  outbox.Consume(5);

  outbox.PushPong(MakePacket("pong2", Kind::kPong));

  EXPECT_EQ(Front(outbox), "datapong2");
}

TEST(OutboxTest, DroppingKeepsTheTornHead) {
  Outbox outbox;
  outbox.Push(MakePacket("written"));
  outbox.Push(MakePacket("torn"));
  outbox.Push(MakePacket("whole"));
  outbox.Consume(9);

  outbox.DropUnsent();

  EXPECT_EQ(Front(outbox), "rn");
  EXPECT_EQ(outbox.bytes(), 2u);
  outbox.Push(MakePacket("bye"));
  EXPECT_EQ(Front(outbox), "rnbye");
}

TEST(OutboxTest, DroppingBetweenPacketsKeepsNothing) {
  Outbox outbox;
  outbox.Push(MakePacket("written"));
  outbox.Push(MakePacket("whole"));
  outbox.Consume(7);

  outbox.DropUnsent();

  EXPECT_TRUE(outbox.empty());
  EXPECT_EQ(outbox.bytes(), 0u);
}

TEST(OutboxTest, NothingFollowsTheSeal) {
  Outbox outbox;
  outbox.Push(MakePacket("close"));
  outbox.Seal();

  outbox.Push(MakePacket("late"));
  outbox.PushPong(MakePacket("pong", Kind::kPong));

  EXPECT_TRUE(outbox.sealed());
  EXPECT_EQ(Front(outbox), "close");
  EXPECT_EQ(outbox.bytes(), 5u);
}

TEST(OutboxTest, LetsGoOfWhatItWroteAndOfWhatItDropped) {
  Outbox outbox;
  PacketPtr written = MakePacket("w");
  PacketPtr dropped = MakePacket("d");
  outbox.Push(written);
  outbox.Push(dropped);

  outbox.Consume(1);
  outbox.DropUnsent();

  EXPECT_EQ(written->use_count(), 1u);
  EXPECT_EQ(dropped->use_count(), 1u);
}

TEST(OutboxTest, AQueueThatNeverRunsEmptyKeepsNoPast) {
  Outbox outbox;
  outbox.Push(MakePacket("x"));
  for (int i = 0; i < 10000; ++i) {
    outbox.Push(MakePacket("x"));
    outbox.Consume(1);
    ASSERT_EQ(outbox.messages(), 1u);
  }
  EXPECT_EQ(Front(outbox), "x");
}

TEST(OutboxTest, APacketMayBorrowAFramesEncoding) {
  v1::Envelope envelope;
  wire::FramePtr frame(new wire::Frame(envelope));
  auto encode = [](const v1::Envelope&, std::string& out) { out = "encoded"; };
  Outbox outbox;

  outbox.Push(PacketPtr(new Packet(frame, frame->Encoded(wire::Encoding::kNativeJson, encode))));
  EXPECT_EQ(frame->use_count(), 2u);
  EXPECT_EQ(Front(outbox), "encoded");
  outbox.Clear();

  EXPECT_EQ(frame->use_count(), 1u);
}

// The outbox beside a plain list of strings.
class OutboxModel {
 public:
  void Push(const std::string& bytes, Kind kind) {
    if (sealed_) return;
    if (kind == Kind::kPong) {
      for (size_t i = waiting_.size(); i > (written_ > 0 ? 1u : 0u); --i) {
        if (waiting_[i - 1].second != Kind::kPong) continue;
        waiting_.erase(waiting_.begin() + static_cast<ptrdiff_t>(i - 1));
        break;
      }
    }
    waiting_.emplace_back(bytes, kind);
  }
  void Consume(size_t size) {
    written_ += size;
    while (!waiting_.empty() && written_ >= waiting_.front().first.size()) {
      written_ -= waiting_.front().first.size();
      waiting_.pop_front();
    }
  }
  void DropUnsent() { waiting_.resize(std::min<size_t>(waiting_.size(), written_ > 0 ? 1 : 0)); }
  void Seal() { sealed_ = true; }

  std::string Bytes() const {
    std::string all;
    for (const auto& [bytes, kind] : waiting_) all.append(bytes);
    return all.substr(written_);
  }
  size_t messages() const { return waiting_.size(); }
  bool torn() const { return written_ > 0; }

 private:
  std::deque<std::pair<std::string, Kind>> waiting_;
  size_t written_ = 0;
  bool sealed_ = false;
};

TEST(OutboxTest, BehavesLikeAPlainListOfStrings) {
  test::Random random;
  for (int round = 0; round < 50; ++round) {
    Outbox outbox;
    OutboxModel model;
    int next = 0;
    size_t reluctance = 1 + random.Below(4);  // rounds with a long queue, and rounds with a short one
    for (int step = 0; step < 1500; ++step) {
      std::string bytes = "<" + std::to_string(next++) + std::string(random.Below(30), '.') + ">";
      switch (random.Below(12)) {
        case 0:
          outbox.PushPong(MakePacket(bytes, Kind::kPong));
          model.Push(bytes, Kind::kPong);
          break;
        case 1:
          outbox.Shrink();
          break;
        case 2:
          if (random.OneIn(20)) {
            outbox.DropUnsent();
            model.DropUnsent();
          }
          break;
        case 3:
          if (random.OneIn(1000)) {
            outbox.Seal();
            model.Seal();
          }
          break;
        case 4:
        case 5:
        case 6:
        case 7:
          if (random.OneIn(reluctance)) {
            size_t written = random.Below(Front(outbox, 1 + random.Below(8)).size() + 1);
            outbox.Consume(written);
            model.Consume(written);
          }
          break;
        default:
          outbox.Push(MakePacket(bytes));
          model.Push(bytes, Kind::kData);
      }

      ASSERT_EQ(outbox.bytes(), model.Bytes().size());
      ASSERT_EQ(outbox.messages(), model.messages());
      ASSERT_EQ(outbox.empty(), model.messages() == 0);
      ASSERT_EQ(outbox.torn(), model.torn());
      if (step % 16 == 0) {
        ASSERT_EQ(Front(outbox, 10000), model.Bytes());
      }
    }
  }
}

}  // namespace
}  // namespace carillon::hub
