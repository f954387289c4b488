#include "gateway/edge/http_connection.h"

#include <boost/asio/write.hpp>

#include "gateway/base/status.h"

namespace carillon::edge {
namespace {

using boost::system::error_code;

// One read's worth; a request is rarely longer.
constexpr size_t kReadBytes = 2048;

// How long, and for how many bytes, the client may go on sending after our answer before the door closes.
constexpr std::chrono::milliseconds kLinger{2000};
constexpr size_t kMaxDiscardedBytes = 1 << 20;

constexpr std::chrono::milliseconds kWriteTimeout{10'000};

}  // namespace

HttpConnection::HttpConnection(Link link, const HttpTimeouts& timeouts, const Handler& handler,
                               const RefusalHandler& on_refusal, std::shared_ptr<void> slot)
    : slot_(std::move(slot)),
      link_(std::move(link)),
      peer_(PeerOf(link_.socket())),
      timeouts_(timeouts),
      handler_(handler),
      on_refusal_(on_refusal),
      timer_(link_.socket().get_executor()) {}

void HttpConnection::Start() {
  ArmTimer(timeouts_.accept);
  Read();
}

void HttpConnection::Read() {
  size_t have = head_.size();
  head_.resize(have + kReadBytes);
  link_.AsyncRead(boost::asio::buffer(head_.data() + have, kReadBytes),
                  [self = shared_from_this(), have](error_code error, size_t size) {
                    self->head_.resize(have + size);
                    self->OnRead(error, size);
                  });
}

void HttpConnection::OnRead(error_code error, size_t size) {
  if (phase_ != Phase::kReading) return;  // timed out meanwhile
  if (error && link_.spoke_plainly()) {
    link_.GoOnPlainly();
    return Refuse({400, "malformed", "this port speaks TLS: use https:// or wss://", "edge.tls", {}});
  }
  if (error) {
    if (!link_.problem().empty()) on_refusal_(HttpError{0, "tls", link_.problem(), "edge.tls", {}}, *this);
    phase_ = Phase::kDone;
    timer_.cancel();
    return;
  }
  if (received_ == 0) ArmTimer(timeouts_.request);
  received_ += size;
  constexpr char kTlsHandshake = 0x16;
  if (head_[0] == kTlsHandshake) {  // an answer in plain text would only confuse it
    on_refusal_(HttpError{0, "malformed", "a TLS hello on the plain port", "", {}}, *this);
    phase_ = Phase::kDone;
    timer_.cancel();
    return;
  }
  head_request_ = head_.starts_with("HEAD ");
  HeadResult result = ParseHead(head_);
  if (std::holds_alternative<Incomplete>(result)) return Read();
  if (auto* refused = std::get_if<HttpError>(&result)) return Refuse(*refused);
  auto& parsed = std::get<ParsedHead>(result);
  head_.erase(0, parsed.size);
  phase_ = Phase::kHandling;
  timer_.cancel();
  handler_(shared_from_this(), std::move(parsed.request));
}

void HttpConnection::Refuse(const HttpError& error) {
  on_refusal_(error, *this);
  Respond(MakeErrorResponse(error, !head_request_));
}

void HttpConnection::Respond(std::string response) {
  phase_ = Phase::kWriting;
  response_ = link_.SealAll(std::move(response));
  ArmTimer(kWriteTimeout);
  boost::asio::async_write(link_.socket(), boost::asio::buffer(response_),
                           [self = shared_from_this()](error_code error, size_t) {
                             if (error || self->phase_ != Phase::kWriting) return self->OnTimeout();
                             self->phase_ = Phase::kLingering;
                             error_code ignored;
                             self->link_.socket().shutdown(Socket::shutdown_send, ignored);
                             self->ArmTimer(kLinger);
                             self->Linger();
                           });
}

// Closing with bytes unread would reset the connection and tear our answer out of the client's hands.
void HttpConnection::Linger() {
  head_.resize(kReadBytes);
  link_.socket().async_read_some(boost::asio::buffer(head_),
                                 [self = shared_from_this()](error_code error, size_t size) {
                                   self->discarded_ += size;
                                   if (error || self->discarded_ > kMaxDiscardedBytes) {
                                     self->phase_ = Phase::kDone;
                                     self->timer_.cancel();
                                     error_code ignored;
                                     self->link_.socket().close(ignored);
                                     return;
                                   }
                                   self->Linger();
                                 });
}

void HttpConnection::ArmTimer(std::chrono::milliseconds delay) {
  timer_.expires_after(delay);
  timer_.async_wait([self = shared_from_this()](error_code error) {
    if (!error) self->OnTimeout();
  });
}

void HttpConnection::OnTimeout() {
  if (phase_ == Phase::kReading && received_ > 0) {
    error_code ignored;
    phase_ = Phase::kHandling;
    link_.socket().cancel(ignored);
    return Refuse({408, "timeout", "the request did not come in time", "edge.request_timeout", {}});
  }
  if (phase_ == Phase::kReading) {
    on_refusal_(HttpError{0, "timeout", "no request came", "edge.accept_timeout", {}}, *this);
  }
  phase_ = Phase::kDone;
  timer_.cancel();
  error_code ignored;
  link_.socket().close(ignored);
}

std::pair<Link, std::string> HttpConnection::Release() {
  phase_ = Phase::kDone;
  timer_.cancel();
  return {std::move(link_), std::string(head_)};  // a copy: without the room that reading needed
}

Address PeerOf(const Socket& socket) {
  error_code error;
  auto endpoint = socket.remote_endpoint(error);
  return error ? Address() : endpoint.address();
}

}  // namespace carillon::edge
