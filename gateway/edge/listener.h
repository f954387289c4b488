#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <string>

#include "gateway/base/log.h"
#include "gateway/base/status.h"

namespace carillon::edge {

// Parses "host:port" with a literal address ("127.0.0.1:7310", "[::1]:0"); "localhost" counts as 127.0.0.1.
StatusOr<boost::asio::ip::tcp::endpoint> ParseAddress(const std::string& text);

// Accepts connections and hands out their descriptors: whoever gets one decides which loop it lives on. When the
// process runs out of descriptors it pauses, instead of spinning.
// Thread: its loop's, but for Open, which runs before the loop does.
class Listener {
 public:
  using OnAccept = std::function<void(int descriptor)>;

  Listener(boost::asio::io_context& io, OnAccept on_accept);

  // Binds and listens, with an error that says what to do.
  Status Open(const std::string& address);

  void Start();
  void Stop();  // stops accepting and closes the port

  // "127.0.0.1:7310", with the port that was taken.
  const std::string& address() const { return address_; }
  boost::asio::ip::tcp protocol() const { return protocol_; }

 private:
  void Wait();
  void AcceptSome();

  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  OnAccept on_accept_;
  std::string address_;
  boost::asio::ip::tcp protocol_ = boost::asio::ip::tcp::v4();
  log::Sampler sampler_;
};

}  // namespace carillon::edge
