#include "gateway/edge/frame_layer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/role.hpp>
#include <functional>
#include <memory>

#include "tests/support/raw_ws_client.h"
#include "tests/support/seed.h"

namespace carillon::edge {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using hub::MakePacket;
using ::testing::ElementsAre;
using wire::Opcode;

std::string Frame(Opcode opcode, std::string_view payload) {
  std::string frame;
  wire::AppendFrame(frame, opcode, payload);
  return frame;
}

// Writes down what the layer says.
class FakeOwner : public FrameLayer::Owner {
 public:
  FakeOwner() { intrusive_ptr_add_ref(this); }  // the fixture's own: no count of the layer's is the last

  void OnHeard(size_t bytes) override { heard += bytes; }
  void OnBlocked(bool anew) override { (anew ? blocked_anew : still_blocked)++; }
  void OnFlushed() override { ++flushed; }
  void OnWriteError() override { ++write_errors; }
  void OnSent(size_t bytes) override {
    ++sends;
    sent += bytes;
  }
  void OnViolation(wire::CloseCode code) override { violations.push_back(static_cast<int>(code)); }
  void OnBeastClose(uint16_t code) override { beast_closes.push_back(code); }

  size_t heard = 0;
  int blocked_anew = 0;
  int still_blocked = 0;
  int flushed = 0;
  int write_errors = 0;
  int sends = 0;
  size_t sent = 0;
  std::vector<int> violations;
  std::vector<int> beast_closes;
};

// A layer over one end of a loopback connection with the smallest buffers that the kernel grants; the test holds the
// other end.
class FrameLayerTest : public ::testing::Test {
 protected:
  FrameLayerTest() {
    tcp::acceptor acceptor(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    peer_.open(tcp::v4());
    peer_.set_option(asio::socket_base::receive_buffer_size(2048));
    peer_.connect(acceptor.local_endpoint());
    Socket socket(io_.get_executor());
    socket.assign(tcp::v4(), ::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    socket.set_option(asio::socket_base::send_buffer_size(2048));
    socket.set_option(tcp::no_delay(true));
    peer_.non_blocking(true);
    layer_ = std::make_unique<FrameLayer>(std::move(socket), outbox_, owner_, unread_);
    layer_->BeginFrames();
  }

  ~FrameLayerTest() override {
    boost::system::error_code ignored;
    layer_->socket().close(ignored);
    Run();
  }

  void Run() {
    io_.restart();
    io_.poll();
  }

  void Push(std::string bytes) { outbox_.Push(MakePacket(std::move(bytes))); }

  // As Beast writes: one contiguous control frame; the completion says that all of it was written.
  void BeastWrites(const std::string& bytes) {
    layer_->async_write_some(asio::buffer(bytes), [this, size = bytes.size()](auto error, size_t written) {
      EXPECT_FALSE(error);
      EXPECT_EQ(written, size);
      ++beast_completions_;
    });
  }

  // Takes at most `limit` bytes of what has come to the peer.
  size_t PeerReads(size_t limit) {
    std::string buffer(limit, '\0');
    boost::system::error_code error;
    size_t size = peer_.read_some(asio::buffer(buffer), error);
    received_.append(buffer, 0, size);
    return size;
  }

  // Until nothing waits and nothing comes.
  void Drain() {
    for (int idle = 0; idle < 3 || !outbox_.empty();) {
      idle = PeerReads(1 << 16) > 0 ? 0 : idle + 1;
      io_.restart();
      if (!outbox_.empty()) {
        io_.run_one_for(std::chrono::milliseconds(100));
      } else {
        io_.poll();
      }
    }
  }

  asio::io_context io_{1};
  tcp::socket peer_{io_};
  hub::Outbox outbox_;
  FakeOwner owner_;
  std::string unread_;
  std::unique_ptr<FrameLayer> layer_;
  int beast_completions_ = 0;
  std::string received_;
};

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

// --- Reading ---

class FrameLayerReadTest : public FrameLayerTest {
 protected:
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

TEST_F(FrameLayerReadTest, BytesPassThroughAndAreHeard) {
  peer_.send(asio::buffer(test::ClientFrame(1, "hello")));

  Read(4, 100);
  Finish();

  EXPECT_FALSE(error_);
  EXPECT_EQ((first_ + second_).substr(0, size_), test::ClientFrame(1, "hello"));
  EXPECT_EQ(owner_.heard, size_);
}

TEST_F(FrameLayerReadTest, WhatCameWithTheRequestIsReadFirst) {
  layer_ = std::make_unique<FrameLayer>(std::move(layer_->socket()), outbox_, owner_, test::ClientFrame(1, "early"));
  layer_->BeginFrames();
  peer_.send(asio::buffer(test::ClientFrame(1, "later")));
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

TEST_F(FrameLayerReadTest, AViolationIsReportedOnceAndFailsTheRead) {
  std::string flood;
  for (int i = 0; i < 30; ++i) flood.append(test::ClientFrame(9, ""));
  peer_.send(asio::buffer(flood));

  Read(10, 4096);
  Finish();

  EXPECT_TRUE(error_);
  EXPECT_EQ(size_, 0u);
  EXPECT_THAT(owner_.violations, ElementsAre(1008));
}

// --- The promise ---

// Hub packets, what Beast writes, and a reader that takes a little now and then, in random order, over tiny buffers.
// What arrives is exactly the accepted frames, whole and in order; of pongs only those that were replaced are missing;
// after the goodbye there is nothing.
TEST_F(FrameLayerTest, NoFrameIsTornReorderedDoubledOrSentAfterTheGoodbye) {
  test::Random random;
  std::vector<std::string> data;
  std::vector<std::string> pongs;
  size_t waiting_limit = 60'000;
  auto random_step = [&] {
    switch (random.Below(5)) {
      case 0:
        if (outbox_.bytes() < waiting_limit) {
          for (size_t burst = 1 + random.Below(40); burst > 0; --burst) {
            data.push_back("d" + std::to_string(data.size()) + std::string(random.OneIn(10) ? random.Below(9000) : random.Below(200), '.'));
            Push(Frame(Opcode::kText, data.back()));
          }
        }
        layer_->Flush();
        break;
      case 1:
        pongs.push_back("p" + std::to_string(pongs.size()));
        BeastWrites(Frame(Opcode::kPong, pongs.back()));
        break;
      case 2:
        layer_->Flush();
        break;
      case 3:
        Run();
        break;
      default:
        PeerReads(1 + random.Below(3000));
    }
  };

  for (int step = 0; step < 20000; ++step) random_step();
  std::string goodbye = wire::CloseFrame(wire::CloseCode::kSlowConsumer, "slow");
  outbox_.Push(MakePacket(goodbye, hub::Packet::Kind::kProtocol));
  outbox_.Seal();
  size_t accepted = data.size();
  size_t accepted_pongs = pongs.size();
  for (int step = 0; step < 1000; ++step) random_step();
  layer_->Flush();
  Drain();

  size_t next_data = 0;
  size_t next_pong = 0;
  std::string_view bytes = received_;
  std::string last;
  while (!bytes.empty()) {
    ASSERT_NE(last, goodbye) << "something follows the goodbye";
    ASSERT_GE(bytes.size(), 2u);
    size_t size = static_cast<uint8_t>(bytes[1]);
    size_t header = size < 126 ? 2 : 4;
    if (header == 4) size = static_cast<size_t>(static_cast<uint8_t>(bytes[2]) << 8 | static_cast<uint8_t>(bytes[3]));
    ASSERT_GE(bytes.size(), header + size) << "a torn frame";
    std::string_view payload = bytes.substr(header, size);
    Opcode opcode = wire::OpcodeOf(static_cast<uint8_t>(bytes[0]));
    if (opcode == Opcode::kText) {
      ASSERT_LT(next_data, accepted);
      ASSERT_EQ(payload, data[next_data++]);
    } else if (opcode == Opcode::kPong) {
      while (next_pong < accepted_pongs && pongs[next_pong] != payload) ++next_pong;  // replaced ones
      ASSERT_LT(next_pong++, accepted_pongs) << "a pong that was not sent, or twice: " << payload;
    }
    last = bytes.substr(0, header + size);
    bytes.remove_prefix(header + size);
  }
  EXPECT_EQ(next_data, accepted);
  EXPECT_EQ(next_pong, accepted_pongs);  // the newest one came
  EXPECT_EQ(last, goodbye);
  EXPECT_GT(owner_.blocked_anew, 10);  // the buffers were small enough for this to mean something
  EXPECT_EQ(owner_.sent, received_.size());
}

}  // namespace
}  // namespace carillon::edge
