#include "tools/cli/bench_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstring>

#include "gateway/wire/ws_frame.h"

namespace carillon::cli {
namespace {

constexpr size_t kReadBytes = 256 << 10;
constexpr int kConnectTimeoutMs = 10'000;
constexpr std::string_view kDataMark = R"("data":")";

StatusOr<sockaddr_in> ParseIpv4(const std::string& address) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  uint16_t port = 0;
  if (colon == std::string::npos || ::inet_pton(AF_INET, host.c_str(), &out.sin_addr) != 1 ||
      std::from_chars(address.data() + colon + 1, address.data() + address.size(), port).ec != std::errc()) {
    return InvalidArgument("\"{}\" is not an IPv4 address and a port", address);
  }
  out.sin_port = htons(port);
  return out;
}

ssize_t Receive(int descriptor, ssl_st* ssl, char* data, size_t size, int flags) {
  return ssl == nullptr ? ::recv(descriptor, data, size, flags) : SSL_read(ssl, data, static_cast<int>(size));
}

bool Send(int descriptor, ssl_st* ssl, const std::string& bytes) {
  auto size = static_cast<ssize_t>(bytes.size());
  if (ssl != nullptr) return SSL_write(ssl, bytes.data(), static_cast<int>(size)) == size;
  return ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL) == size;
}

// Reads until `end` is in the text or the peer is silent for too long.
bool ReadUntil(int descriptor, ssl_st* ssl, std::string_view end, std::string* text) {
  char chunk[4096];
  while (text->find(end) == std::string::npos) {
    pollfd wait{descriptor, POLLIN, 0};
    bool there = ssl != nullptr && SSL_pending(ssl) > 0;
    if (!there && ::poll(&wait, 1, kConnectTimeoutMs) <= 0) return false;
    ssize_t size = Receive(descriptor, ssl, chunk, sizeof chunk, 0);
    if (size <= 0) return false;
    text->append(chunk, static_cast<size_t>(size));
  }
  return true;
}

uint64_t ParseHex16(const char* text) {
  uint64_t number = 0;
  std::from_chars(text, text + 16, number, 16);
  return number;
}

}  // namespace

int64_t NowNs() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

StatusOr<int> ConnectTcp(const std::string& address, int receive_buffer_bytes) {
  ASSIGN_OR_RETURN(sockaddr_in to, ParseIpv4(address));
  int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return FailedPrecondition("no socket ({}); raise ulimit -n", std::strerror(errno));
  if (receive_buffer_bytes > 0) {
    ::setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
  }
  if (::connect(descriptor, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
    Status failed = FailedPrecondition("cannot connect to {}: {}", address, std::strerror(errno));
    ::close(descriptor);
    return failed;
  }
  int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return descriptor;
}

std::string MakePayload(uint64_t number, int64_t due_ns, size_t bytes) {
  std::string payload = fmt::format("\"{:016x}{:016x}", number, static_cast<uint64_t>(due_ns));
  payload.append(bytes - payload.size() - 1, 'x');
  payload.push_back('"');
  return payload;
}

BenchClient::~BenchClient() {
  Stop();
  for (Connection& connection : connections_) {
    SSL_free(connection.ssl);
    if (connection.descriptor >= 0) ::close(connection.descriptor);
  }
  SSL_CTX_free(tls_);
  if (epoll_ >= 0) ::close(epoll_);
}

Status BenchClient::Connect(bool expect_welcome) {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  connections_.resize(options_.connections);
  arrived_.resize(kWindow * 2);
  buffer_.resize(kReadBytes);
  if (options_.tls) tls_ = SSL_CTX_new(TLS_client_method());
  expected_ = options_.connections - options_.stopped;
  for (size_t i = 0; i < connections_.size(); ++i) {
    Connection& connection = connections_[i];
    connection.stopped = i < options_.stopped;
    RETURN_IF_ERROR(ConnectOne(connection, expect_welcome));
    if (connection.stopped) continue;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.descriptor, &event);
  }
  return absl::OkStatus();
}

Status BenchClient::ConnectOne(Connection& connection, bool expect_welcome) {
  // A stopped reader must not hide megabytes in its own buffer.
  ASSIGN_OR_RETURN(connection.descriptor, ConnectTcp(options_.address, connection.stopped ? 4096 : 0));
  if (tls_ != nullptr) {
    connection.ssl = SSL_new(tls_);
    SSL_set_fd(connection.ssl, connection.descriptor);
    if (SSL_connect(connection.ssl) != 1) return FailedPrecondition("no TLS with {}", options_.address);
  }
  std::string request = fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
      options_.target, options_.address);
  if (!Send(connection.descriptor, connection.ssl, request)) {
    return FailedPrecondition("cannot send to {}", options_.address);
  }
  std::string answer;
  if (!ReadUntil(connection.descriptor, connection.ssl, "\r\n\r\n", &answer) || !answer.starts_with("HTTP/1.1 101")) {
    return FailedPrecondition("the handshake was refused: {}", answer.empty() ? "no answer" : answer);
  }
  if (expect_welcome && !ReadUntil(connection.descriptor, connection.ssl, R"("event":"welcome")", &answer)) {
    return FailedPrecondition("no welcome came");
  }
  if (expect_welcome && answer.find(R"("refused":[])") == std::string::npos) {
    // The welcome may come in pieces; its tail is read by the loop. Only a refusal that is already visible matters.
    if (answer.find(R"("refused":[{)") != std::string::npos)
      return FailedPrecondition("the stream was refused: {}", answer);
  }
  connection.rest = answer.substr(answer.find("\r\n\r\n") + 4);
  ::fcntl(connection.descriptor, F_SETFL, O_NONBLOCK);
  return absl::OkStatus();
}

void BenchClient::Start() {
  running_.store(true);
  thread_ = std::thread([this] { Loop(); });
}

void BenchClient::Stop() {
  running_.store(false);
  if (thread_.joinable()) thread_.join();
  Changed();
}

void BenchClient::Changed() {
  changes_.fetch_add(1);
  changes_.notify_all();
}

void BenchClient::WaitFor(uint64_t number) {
  for (;;) {
    uint32_t seen = changes_.load();
    if (slowest() >= number || !running_.load() || closed() > 0) return;
    changes_.wait(seen);
  }
}

void BenchClient::Loop() {
  std::vector<epoll_event> events(1024);
  while (running_.load(std::memory_order_relaxed)) {
    int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 20);
    for (int i = 0; i < count; ++i) Read(*static_cast<Connection*>(events[static_cast<size_t>(i)].data.ptr));
  }
}

void BenchClient::Read(Connection& connection) {
  for (;;) {
    ssize_t got = Receive(connection.descriptor, connection.ssl, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got <= 0) {
      bool later = connection.ssl != nullptr
                       ? SSL_get_error(connection.ssl, static_cast<int>(got)) == SSL_ERROR_WANT_READ
                       : got < 0 && (errno == EAGAIN || errno == EINTR);
      if (!later) Fail(connection);
      return;
    }
    TakeBytes(connection, buffer_.data(), static_cast<size_t>(got), NowNs());
    if (connection.ssl == nullptr) return;  // what is left is told again; TLS may have opened more than it gave
  }
}

void BenchClient::TakeBytes(Connection& connection, const char* data, size_t size, int64_t now) {
  if (connection.rest.empty()) {
    size_t used = TakeFrames(connection, data, size, now);
    connection.rest.assign(data + used, size - used);
  } else {
    connection.rest.append(data, size);
    size_t used = TakeFrames(connection, connection.rest.data(), connection.rest.size(), now);
    connection.rest.erase(0, used);
  }
}

void BenchClient::Fail(Connection& connection) {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, connection.descriptor, nullptr);
  ::close(connection.descriptor);
  connection.descriptor = -1;
  closed_.fetch_add(1);
  Changed();
}

size_t BenchClient::TakeFrames(Connection& connection, const char* data, size_t size, int64_t now) {
  size_t at = 0;
  while (size - at >= 2) {
    auto byte = [&](size_t i) { return static_cast<uint8_t>(data[at + i]); };
    size_t header = 2;
    uint64_t length = byte(1) & 0x7F;
    if (length >= 126) {
      header = length == 126 ? 4 : 10;
      if (size - at < header) break;
      length = 0;
      for (size_t i = 2; i < header; ++i) length = length << 8 | byte(i);
    }
    if (size - at < header + length) break;
    switch (wire::OpcodeOf(byte(0))) {
      case wire::Opcode::kText:
        TakeMessage(connection, data + at + header, length, now);
        break;
      case wire::Opcode::kPing: {
        std::string pong("\x8A\x80\0\0\0\0", 6);  // masked with zeros, empty
        (void)Send(connection.descriptor, connection.ssl, pong);
        break;
      }
      default:
        break;
    }
    bytes_.store(bytes_.load(std::memory_order_relaxed) + header + length, std::memory_order_relaxed);
    at += header + length;
  }
  return at;
}

void BenchClient::TakeMessage(Connection& connection, const char* frame, size_t size, int64_t now) {
  if (connection.payload_at == 0) {
    std::string_view text(frame, size);
    size_t mark = text.find(kDataMark);
    if (mark == std::string_view::npos) return;  // a notice
    connection.payload_at = static_cast<uint32_t>(mark + kDataMark.size());
  }
  if (size < connection.payload_at + 32) return;
  const char* payload = frame + connection.payload_at;
  uint64_t number = ParseHex16(payload);
  if (number != connection.last + 1) {
    lost_.store(lost_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (number <= connection.last) return;
  }
  connection.last = number;
  deliveries_.store(deliveries_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (measure_.load(std::memory_order_relaxed)) {
    int64_t due = static_cast<int64_t>(ParseHex16(payload + 16));
    latencies_.Add(static_cast<uint64_t>(std::max<int64_t>(0, now - due)));
  }
  if (!options_.window) return;
  uint32_t& arrived = arrived_[number % arrived_.size()];
  if (++arrived == expected_) {
    arrived = 0;
    slowest_.store(number, std::memory_order_release);
    Changed();
  }
}

}  // namespace carillon::cli
