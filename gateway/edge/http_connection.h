#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "gateway/edge/client_address.h"
#include "gateway/edge/http_head.h"
#include "gateway/edge/link.h"

namespace carillon::edge {

struct HttpTimeouts {
  std::chrono::milliseconds accept{10'000};  // until the first byte, TLS's own talk included
  std::chrono::milliseconds request{5'000};  // from the first byte to the whole head
};

// One connection that is still HTTP: reads one request under its deadlines, hands it over, and writes the answer if
// there is one. Every answer ends the connection, so that nothing can hide behind a first request.
// Owned by: its own pending I/O. Thread: the loop that its socket belongs to.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  // Answers a request, by calling Respond now or later or by taking the connection with Release.
  using Handler = std::function<void(std::shared_ptr<HttpConnection>, HttpRequest)>;
  // Told of every refusal, before it is answered.
  using RefusalHandler = std::function<void(const HttpError&, HttpConnection&)>;

  // `slot` lives as long as the connection does.
  HttpConnection(Link link, const HttpTimeouts& timeouts, const Handler& handler, const RefusalHandler& on_refusal,
                 std::shared_ptr<void> slot = nullptr);

  void Start();

  // Writes the answer and ends the connection, leaving the client time to read it.
  void Respond(std::string response);
  void Refuse(const HttpError& error);

  // Takes the connection and what the client sent after its request.
  std::pair<Link, std::string> Release();

  bool secure() const { return link_.secure(); }

  // Whoever was at the other end when it began; 0.0.0.0 where it had gone already.
  const Address& peer() const { return peer_; }

 private:
  void Read();
  void OnRead(boost::system::error_code error, size_t size);
  void Linger();
  void OnTimeout();
  void ArmTimer(std::chrono::milliseconds delay);

  std::shared_ptr<void> slot_;
  Link link_;
  const Address peer_;
  const HttpTimeouts timeouts_;
  const Handler& handler_;
  const RefusalHandler& on_refusal_;
  boost::asio::basic_waitable_timer<std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>,
                                    Socket::executor_type>
      timer_;
  std::string head_;
  std::string response_;
  size_t received_ = 0;
  bool head_request_ = false;  // answers without a body
  size_t discarded_ = 0;
  enum class Phase { kReading, kHandling, kWriting, kLingering, kDone } phase_ = Phase::kReading;
};

// Whoever is at the other end; 0.0.0.0 where it has gone.
Address PeerOf(const Socket& socket);

}  // namespace carillon::edge
