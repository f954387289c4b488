#include "tests/support/raw_ws_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "tests/support/test_node.h"

namespace carillon::test {

int RawWsClient::Frame::code() const {
  if (payload.size() < 2) return 1005;
  return static_cast<uint8_t>(payload[0]) << 8 | static_cast<uint8_t>(payload[1]);
}

RawWsClient::RawWsClient(const std::string& address) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  timeval patience{kPatience.count(), 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::atoi(address.substr(address.rfind(':') + 1).c_str())));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
    throw std::runtime_error("cannot connect to " + address);
  }
}

RawWsClient::~RawWsClient() {
  if (socket_ >= 0) ::close(socket_);
}

RawWsClient::RawWsClient(RawWsClient&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), unread_(std::move(other.unread_)) {}

void RawWsClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the other side is gone: reading will tell
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

void RawWsClient::SendFrame(uint8_t opcode, std::string_view payload, bool final) {
  Send(ClientFrame(opcode, payload, final));
}

void RawWsClient::SendClose(uint16_t code) {
  SendFrame(8, std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)});
}

int RawWsClient::Upgrade(std::string_view path, std::string_view more_headers) {
  std::string request = "GET " + std::string(path) +
                        " HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
  request.append(more_headers).append("\r\n");
  Send(request);
  std::string head = ReadHead();
  return head.size() < 12 ? 0 : std::atoi(head.c_str() + 9);
}

std::string RawWsClient::ReadHead() {
  size_t end;
  while ((end = unread_.find("\r\n\r\n")) == std::string::npos) {
    if (!ReadMore()) return std::exchange(unread_, "");
  }
  std::string head = unread_.substr(0, end + 4);
  unread_.erase(0, end + 4);
  return head;
}

RawWsClient::Frame RawWsClient::ReadFrame() {
  for (;;) {
    auto byte = [this](size_t i) { return static_cast<uint8_t>(unread_[i]); };
    size_t header = 2;
    uint64_t size = 0;
    if (unread_.size() >= 2) {
      size = byte(1) & 0x7F;
      if (size >= 126) {
        header = size == 126 ? 4 : 10;
        size = 0;
        for (size_t i = 2; i < header && i < unread_.size(); ++i) size = size << 8 | byte(i);
      }
    }
    if (unread_.size() >= header && unread_.size() - header >= size) {
      Frame frame{byte(0) & 0x0F, unread_.substr(header, size)};
      unread_.erase(0, header + size);
      return frame;
    }
    if (!ReadMore()) return {};
  }
}

std::string RawWsClient::ReadToEnd() {
  while (ReadMore()) {
  }
  return std::exchange(unread_, "");
}

void RawWsClient::ShutDown() {
  ::shutdown(socket_, SHUT_WR);
}

void RawWsClient::Reset() {
  linger now{1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(std::exchange(socket_, -1));
}

bool RawWsClient::ReadMore() {
  char buffer[16384];
  ssize_t size = ::recv(socket_, buffer, sizeof buffer, 0);
  if (size < 0 && errno == EAGAIN) throw std::runtime_error("nothing came, and the connection did not end");
  was_reset_ = size < 0 && errno == ECONNRESET;
  if (size <= 0) return false;
  unread_.append(buffer, static_cast<size_t>(size));
  return true;
}

std::string ClientFrame(uint8_t opcode, std::string_view payload, bool final, uint32_t mask) {
  std::string frame;
  frame.push_back(static_cast<char>((final ? 0x80 : 0) | opcode));
  if (payload.size() < 126) {
    frame.push_back(static_cast<char>(0x80 | payload.size()));
  } else {
    int bytes = payload.size() <= 0xFFFF ? 2 : 8;
    frame.push_back(static_cast<char>(0x80 | (bytes == 2 ? 126 : 127)));
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
      frame.push_back(static_cast<char>(static_cast<uint64_t>(payload.size()) >> shift));
    }
  }
  char key[4];
  for (int i = 0; i < 4; ++i) key[i] = static_cast<char>(mask >> (24 - 8 * i));
  frame.append(key, 4);
  for (size_t i = 0; i < payload.size(); ++i) frame.push_back(static_cast<char>(payload[i] ^ key[i % 4]));
  return frame;
}

}  // namespace carillon::test
