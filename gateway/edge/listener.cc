#include "gateway/edge/listener.h"

#include <sys/socket.h>

#include <charconv>

namespace carillon::edge {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// Connections that may wait to be accepted, as far as the system's own limit allows (somaxconn).
constexpr int kBacklog = 4096;

// How many are accepted before other handlers get their turn.
constexpr int kAcceptsAtOnce = 64;

// How long to wait when descriptors run out.
constexpr std::chrono::milliseconds kPause{100};

std::string TextOf(const tcp::endpoint& endpoint) {
  std::string host = endpoint.address().to_string();
  return endpoint.address().is_v6() ? fmt::format("[{}]:{}", host, endpoint.port())
                                    : fmt::format("{}:{}", host, endpoint.port());
}

}  // namespace

StatusOr<tcp::endpoint> ParseAddress(const std::string& text) {
  size_t colon = text.rfind(':');
  std::string host = text.substr(0, colon == std::string::npos ? 0 : colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    host.clear();  // which of its colons divides it, nobody can tell
  }
  if (host == "localhost") host = "127.0.0.1";
  uint16_t port = 0;
  const char* end = text.data() + text.size();
  auto [rest, bad] = std::from_chars(text.data() + (colon == std::string::npos ? 0 : colon + 1), end, port);
  error_code error;
  auto address = asio::ip::make_address(host, error);
  if (colon == std::string::npos || bad != std::errc() || rest != end || error) {
    return InvalidArgument("\"{}\" is not an address and a port, such as 127.0.0.1:7310 or [::1]:7310", text);
  }
  return tcp::endpoint(address, port);
}

Listener::Listener(asio::io_context& io, OnAccept on_accept)
    : acceptor_(io), pause_(io), on_accept_(std::move(on_accept)) {}

Status Listener::Open(const std::string& address) {
  ASSIGN_OR_RETURN(tcp::endpoint endpoint, ParseAddress(address));
  error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(kBacklog, error);
  if (!error) acceptor_.non_blocking(true, error);
  if (error) return FailedPrecondition("cannot listen on {}: {}", address, error.message());
  address_ = TextOf(acceptor_.local_endpoint());
  protocol_ = endpoint.protocol();
  return absl::OkStatus();
}

void Listener::Start() {
  Wait();
}

void Listener::Stop() {
  error_code ignored;
  pause_.cancel();
  acceptor_.close(ignored);
}

void Listener::Wait() {
  acceptor_.async_wait(tcp::acceptor::wait_read, [this](error_code error) {
    if (!error) AcceptSome();
  });
}

void Listener::AcceptSome() {
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    int descriptor = ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      on_accept_(descriptor);
      continue;
    }
    if (errno == EAGAIN) break;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      uint64_t suppressed = 0;
      if (sampler_.Allow(&suppressed)) {
        log::Warn("edge", "cannot accept: out of descriptors; raise the limit on open files (ulimit -n)",
                  {{"address", address_}, {"errno", errno}, {"suppressed", suppressed}});
      }
      pause_.expires_after(kPause);
      pause_.async_wait([this](error_code error) {
        if (!error) Wait();
      });
      return;
    }
    // Anything else is the peer's doing (ECONNABORTED, a network error): on to the next one.
  }
  if (acceptor_.is_open()) Wait();
}

}  // namespace carillon::edge
