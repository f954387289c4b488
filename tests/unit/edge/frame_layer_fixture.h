#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/role.hpp>
#include <memory>
#include <string>
#include <vector>

#include "gateway/edge/frame_layer.h"
#include "tests/support/certificate.h"
#include "tests/support/tls_peer.h"

// What the tests of the frame layer share.
namespace carillon::edge {

namespace asio = boost::asio;

inline std::string Frame(wire::Opcode opcode, std::string_view payload) {
  std::string frame;
  wire::AppendFrame(frame, opcode, payload);
  return frame;
}

// Writes down what the layer says.
class FakeOwner : public FrameLayer::Owner {
 public:
  FakeOwner() { intrusive_ptr_add_ref(this); }  // the fixture's own: no count of the layer's is the last

  void OnSignOfLife() override { ++signs_of_life; }
  void OnBlocked(bool anew) override { (anew ? blocked_anew : still_blocked)++; }
  void OnFlushed() override { ++flushed; }
  void OnWritable() override { ++writable; }
  void OnWriteError() override { ++write_errors; }
  void OnSent(size_t bytes) override {
    ++sends;
    sent += bytes;
  }
  void OnViolation(wire::CloseCode code) override { violations.push_back(static_cast<int>(code)); }
  void OnBeastClose(uint16_t code) override { beast_closes.push_back(code); }

  int signs_of_life = 0;
  int blocked_anew = 0;
  int still_blocked = 0;
  int flushed = 0;
  int writable = 0;
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
  explicit FrameLayerTest(bool secure = false) {
    asio::ip::tcp::acceptor acceptor(io_, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    peer_.open(asio::ip::tcp::v4());
    peer_.set_option(asio::socket_base::receive_buffer_size(2048));
    peer_.connect(acceptor.local_endpoint());
    Socket socket(io_.get_executor());
    socket.assign(asio::ip::tcp::v4(),
                  ::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    socket.set_option(asio::socket_base::send_buffer_size(2048));
    socket.set_option(asio::ip::tcp::no_delay(true));
    peer_.non_blocking(true);
    layer_ = std::make_unique<FrameLayer>(secure ? Secured(std::move(socket)) : Link(std::move(socket)), outbox_,
                                          owner_, unread_);
    layer_->BeginFrames();
  }

  // With TLS whose handshake is done.
  Link Secured(Socket socket) {
    test::Pem pem = test::MakeCertificate();
    Link link(std::move(socket), (*TlsContext::FromPem(pem.certificate, pem.key))->NewChannel());
    tls_peer_ = std::make_unique<test::TlsPeer>();
    tls_peer_->Feed("", &received_);
    char nothing[1];
    bool ended = false;
    link.AsyncRead(asio::buffer(nothing), [&](auto, size_t) { ended = true; });
    while (!tls_peer_->connected() || !ended) {
      PeerSends("");
      io_.restart();
      io_.run_one_for(std::chrono::milliseconds(10));
      PeerReads(4096);
      boost::system::error_code ignored;
      if (tls_peer_->connected() && PeerSends("") == 0) link.socket().cancel(ignored);
    }
    return link;
  }

  // Returns how many bytes went over the wire.
  size_t PeerSends(const std::string& bytes) {
    if (tls_peer_ == nullptr) return peer_.send(asio::buffer(bytes));
    if (!bytes.empty()) tls_peer_->Write(bytes);
    std::string out = tls_peer_->TakeOutput();
    return out.empty() ? 0 : peer_.send(asio::buffer(out));
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

  void Push(std::string bytes) { outbox_.Push(hub::MakePacket(std::move(bytes))); }

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
    if (tls_peer_ == nullptr) {
      received_.append(buffer, 0, size);
    } else {
      tls_peer_->Feed({buffer.data(), size}, &received_);
    }
    return size;
  }

  // Until nothing waits and nothing comes.
  void Drain() {
    for (int idle = 0; idle < 3 || !layer_->empty();) {
      idle = PeerReads(1 << 16) > 0 ? 0 : idle + 1;
      io_.restart();
      if (!layer_->empty()) {
        io_.run_one_for(std::chrono::milliseconds(100));
      } else {
        io_.poll();
      }
    }
  }

  asio::io_context io_{1};
  asio::ip::tcp::socket peer_{io_};
  hub::Outbox outbox_;
  FakeOwner owner_;
  std::string unread_;
  std::unique_ptr<FrameLayer> layer_;
  int beast_completions_ = 0;
  std::string received_;
  std::unique_ptr<test::TlsPeer> tls_peer_;  // null: without TLS
};

// The same over TLS.
class TlsFrameLayerTest : public FrameLayerTest {
 protected:
  TlsFrameLayerTest() : FrameLayerTest(true) {}
};

}  // namespace carillon::edge
