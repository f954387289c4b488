#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <string>
#include <utility>

#include "gateway/edge/tls.h"
#include "gateway/hub/outbox.h"

namespace carillon::edge {

using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

// A client's connection: a socket, with TLS over it or without. Whoever reads and writes need not know which.
// Thread: the loop that its socket belongs to.
class Link {
 public:
  // Null: without TLS.
  explicit Link(Socket socket, std::unique_ptr<TlsChannel> tls = nullptr)
      : socket_(std::move(socket)), tls_(std::move(tls)) {}

  Socket& socket() { return socket_; }
  const Socket& socket() const { return socket_; }

  // Completes as async_read_some of a socket does. One at a time; the link must stay where it is meanwhile.
  template <class Buffers, class Handler>
  void AsyncRead(const Buffers& buffers, Handler handler);

  struct Sent {
    size_t bytes = 0;  // that the socket took
    bool failed = false;
  };
  // Writes the outbox as far as the socket takes it now. Never blocks.
  Sent Send(hub::Outbox& outbox);

  // True where something that the outbox has given up waits for the socket.
  bool holds() const { return held_at_ < held_.size(); }

  // What the socket must be given for these bytes and our goodbye. Nothing may be sent after it.
  std::string SealAll(std::string bytes);

  // Says goodbye below HTTP and WebSocket, as far as the socket takes it now.
  void SayGoodbye();

  bool secure() const { return tls_ != nullptr; }

  // Why TLS failed; empty: it did not.
  std::string problem() const { return tls_ == nullptr ? "" : tls_->problem(); }

  // The client does not speak TLS. Go on without it, to say so.
  bool spoke_plainly() const { return spoke_plainly_; }
  void GoOnPlainly() { tls_ = nullptr; }

 private:
  Sent SendPlain(hub::Outbox& outbox);
  Sent SendSealed(hub::Outbox& outbox);
  bool SendHeld(Sent* sent);
  void SendOutput(Sent* sent);
  size_t SendSome(std::string_view bytes, Sent* sent);
  boost::system::error_code Receive();

  Socket socket_;
  std::unique_ptr<TlsChannel> tls_;
  std::string plain_;  // opened, and not read yet
  std::string held_;   // sealed, and not taken by the socket, from held_at_ on
  size_t held_at_ = 0;
  bool ended_ = false;  // the peer sends nothing more
  bool spoke_plainly_ = false;
};

// --- Implementation of the template ----------------------------------------------------------------------------------

template <class Buffers, class Handler>
void Link::AsyncRead(const Buffers& buffers, Handler handler) {
  if (tls_ == nullptr) return socket_.async_read_some(buffers, std::move(handler));
  if (plain_.empty() && !ended_) {
    socket_.async_wait(Socket::wait_read, [this, buffers, handler = std::move(handler)](auto error) mutable {
      if (!error) error = Receive();
      if (error) return handler(error, 0);
      AsyncRead(buffers, std::move(handler));
    });
    return;
  }
  boost::system::error_code error;
  size_t size = boost::asio::buffer_copy(buffers, boost::asio::buffer(plain_));
  if (size == 0) error = boost::asio::error::eof;
  plain_.erase(0, size);
  if (plain_.empty()) plain_ = {};
  boost::asio::post(socket_.get_executor(),
                    [handler = std::move(handler), error, size]() mutable { handler(error, size); });
}

}  // namespace carillon::edge
