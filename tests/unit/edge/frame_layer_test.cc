#include "gateway/edge/frame_layer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "tests/support/raw_ws_client.h"
#include "tests/unit/edge/frame_layer_fixture.h"

namespace carillon::edge {
namespace {

using hub::MakePacket;
using ::testing::ElementsAre;
using wire::Opcode;

TEST_F(FrameLayerTest, OneFlushIsOneSendForAllThatWaits) {
  for (const char* text : {"a", "b", "c"}) Push(text);

  layer_->Flush();
  layer_->Flush();
  PeerReads(100);

  EXPECT_EQ(owner_.sends, 1);
  EXPECT_EQ(owner_.sent, 3u);
  EXPECT_EQ(received_, "abc");
  EXPECT_EQ(owner_.flushed, 1);
}

TEST_F(FrameLayerTest, MoreThanOneCallTakesIsWrittenAllTheSame) {
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    Push(std::to_string(i));
    expected.append(std::to_string(i));
  }

  layer_->Flush();
  Drain();

  EXPECT_EQ(received_, expected);
}

TEST_F(FrameLayerTest, ASocketThatTakesNoMoreIsWaitedForOnce) {
  Push(std::string(1 << 20, 'x'));
  layer_->Flush();
  ASSERT_TRUE(layer_->blocked());
  EXPECT_EQ(owner_.blocked_anew, 1);
  int sends = owner_.sends;

  for (int i = 0; i < 10; ++i) {
    Push("y");
    layer_->Flush();
  }

  EXPECT_EQ(owner_.sends, sends);  // not tried again before the kernel says so
  EXPECT_EQ(owner_.use_count(), 2u);
  Drain();
  EXPECT_EQ(received_, std::string(1 << 20, 'x') + "yyyyyyyyyy");
  EXPECT_FALSE(layer_->blocked());
  EXPECT_EQ(owner_.use_count(), 1u);
}

TEST_F(FrameLayerTest, WhatBeastWritesIsTakenWholeAtOnceAndCompletesLater) {
  Push(std::string(1 << 20, 'x'));
  layer_->Flush();
  BeastWrites(Frame(Opcode::kPong, "p"));

  EXPECT_EQ(beast_completions_, 0);  // as if posted
  Run();
  EXPECT_EQ(beast_completions_, 1);  // long before it is on the wire
  Drain();
  EXPECT_TRUE(received_.ends_with("x" + Frame(Opcode::kPong, "p")));
}

TEST_F(FrameLayerTest, OnlyTheNewestUnsentPongIsKept) {
  Push(std::string(1 << 20, 'x'));
  layer_->Flush();
  for (int i = 0; i < 100; ++i) BeastWrites(Frame(Opcode::kPong, std::to_string(i)));

  EXPECT_LE(outbox_.messages(), 2u);
  Drain();
  EXPECT_TRUE(received_.ends_with("x" + Frame(Opcode::kPong, "99")));
  EXPECT_EQ(beast_completions_, 100);
}

TEST_F(FrameLayerTest, NothingFollowsBeastsGoodbye) {
  BeastWrites(wire::CloseFrame(wire::CloseCode::kTooBig, "too big"));
  Push("late data");
  BeastWrites(Frame(Opcode::kPong, "late"));
  BeastWrites(wire::CloseFrame(wire::CloseCode::kNormal, ""));
  layer_->Flush();
  Drain();

  EXPECT_EQ(received_, wire::CloseFrame(wire::CloseCode::kTooBig, "too big"));
  EXPECT_THAT(owner_.beast_closes, ElementsAre(1009));
}

TEST_F(FrameLayerTest, AGoodbyeWithoutACodeIs1005) {
  BeastWrites(Frame(Opcode::kClose, ""));

  EXPECT_THAT(owner_.beast_closes, ElementsAre(1005));
}

TEST_F(FrameLayerTest, AfterOurOwnGoodbyeBeastsIsSwallowed) {
  outbox_.Push(MakePacket(wire::CloseFrame(wire::CloseCode::kKicked, "out"), hub::Packet::Kind::kProtocol));
  outbox_.Seal();
  layer_->Flush();
  BeastWrites(wire::CloseFrame(wire::CloseCode::kKicked, ""));
  Drain();

  EXPECT_EQ(received_, wire::CloseFrame(wire::CloseCode::kKicked, "out"));
  EXPECT_EQ(beast_completions_, 1);
  EXPECT_TRUE(owner_.beast_closes.empty());
}

TEST_F(FrameLayerTest, ABrokenSocketIsReported) {
  peer_.set_option(asio::socket_base::linger(true, 0));
  peer_.close();
  Push("x");
  layer_->Flush();

  EXPECT_EQ(owner_.write_errors, 1);
}

// A peer that takes what it had no room for is alive, though it says nothing; one that still takes nothing need not be.
TEST_F(FrameLayerTest, ProgressAfterAStandstillIsASignOfLife) {
  Push(std::string(1 << 20, 'x'));
  layer_->Flush();
  Run();
  ASSERT_TRUE(layer_->blocked());
  EXPECT_EQ(owner_.signs_of_life, 0);

  Drain();

  EXPECT_GT(owner_.signs_of_life, 0);
}

// --- TLS -------------------------------------------------------------------------------------------------------------

TEST_F(TlsFrameLayerTest, SmallFramesShareARecordAndASend) {
  for (const char* text : {"a", "b", "c"}) Push(text);

  layer_->Flush();
  size_t record = PeerReads(100);

  EXPECT_EQ(owner_.sends, 1);
  EXPECT_EQ(owner_.sent, record);
  EXPECT_LT(record, 3 + 32u);
  EXPECT_EQ(received_, "abc");
  EXPECT_EQ(owner_.flushed, 1);
}

TEST_F(TlsFrameLayerTest, WhatTheSocketDoesNotTakeIsHeldAndNotForgotten) {
  std::string all(100'000, 'x');
  Push(all);
  layer_->Flush();

  EXPECT_FALSE(layer_->empty());
  EXPECT_TRUE(layer_->blocked());
  EXPECT_EQ(owner_.flushed, 0);
  Drain();
  EXPECT_EQ(received_, all);
  EXPECT_EQ(owner_.flushed, 1);
  EXPECT_TRUE(layer_->empty());
}

TEST_F(TlsFrameLayerTest, WhatWasSealedIsFinishedWhateverIsDropped) {
  for (int i = 0; i < 100; ++i) Push(Frame(Opcode::kText, std::string(1000, 'x')));
  layer_->Flush();
  outbox_.DropUnsent();
  Push("end");
  Drain();

  EXPECT_TRUE(received_.ends_with("end"));
  EXPECT_EQ((received_.size() - 3) % Frame(Opcode::kText, std::string(1000, 'x')).size(), 0u);
  EXPECT_FALSE(tls_peer_->broken());
}

TEST_F(TlsFrameLayerTest, TheGoodbyeIsTls) {
  layer_->link().SayGoodbye();
  PeerReads(100);

  EXPECT_TRUE(tls_peer_->closed());
}

// --- Reading ---

class FrameLayerReadTest : public FrameLayerTest, public ::testing::WithParamInterface<bool> {
 protected:
  FrameLayerReadTest() : FrameLayerTest(GetParam()) {}

  // Reads once into two buffers of these sizes, as Beast may.
  void Read(size_t first, size_t second) {
    first_.assign(first, '\0');
    second_.assign(second, '\0');
    std::array<asio::mutable_buffer, 2> into{asio::buffer(first_), asio::buffer(second_)};
    done_ = false;
    layer_->async_read_some(into, [this](auto error, size_t size) {
      done_ = true;
      error_ = error;
      size_ = size;
    });
  }
  void Finish() {
    io_.restart();
    while (!done_) ASSERT_GT(io_.run_one_for(std::chrono::seconds(30)), 0u);
  }

  std::string first_, second_;
  bool done_ = false;
  boost::system::error_code error_;
  size_t size_ = 0;
};

INSTANTIATE_TEST_SUITE_P(PlainAndTls, FrameLayerReadTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Tls" : "Plain"; });

TEST_P(FrameLayerReadTest, BytesPassThroughAndAreHeard) {
  PeerSends(test::ClientFrame(1, "hello"));

  Read(4, 100);
  Finish();

  EXPECT_FALSE(error_);
  EXPECT_EQ((first_ + second_).substr(0, size_), test::ClientFrame(1, "hello"));
  EXPECT_GT(owner_.signs_of_life, 0);
}

TEST_P(FrameLayerReadTest, WhatCameWithTheRequestIsReadFirst) {
  layer_ = std::make_unique<FrameLayer>(std::move(layer_->link()), outbox_, owner_, test::ClientFrame(1, "early"));
  layer_->BeginFrames();
  PeerSends(test::ClientFrame(1, "later"));
  std::string all;
  while (all.size() < 2 * test::ClientFrame(1, "early").size()) {
    Read(3, 2);
    EXPECT_FALSE(done_);  // as if posted
    Finish();
    ASSERT_FALSE(error_);
    all.append((first_ + second_).substr(0, size_));
  }

  EXPECT_EQ(all, test::ClientFrame(1, "early") + test::ClientFrame(1, "later"));
}

TEST_P(FrameLayerReadTest, AViolationIsReportedOnceAndFailsTheRead) {
  std::string flood;
  for (int i = 0; i < 30; ++i) flood.append(test::ClientFrame(9, ""));
  PeerSends(flood);

  Read(10, 4096);
  Finish();

  EXPECT_TRUE(error_);
  EXPECT_EQ(size_, 0u);
  EXPECT_THAT(owner_.violations, ElementsAre(1008));
}

}  // namespace
}  // namespace carillon::edge
