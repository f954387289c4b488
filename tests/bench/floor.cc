// The bare loops that Carillon is measured against: one thread, epoll, frames that come ready over TCP and go to every
// connection. No protocol, no queues, nothing for slow readers (a short write ends the program: the measurement would
// be void).
//
//   carillon_floor join   joins what has come and sends it to each connection with one send
//   carillon_floor one    sends each frame to each connection with a send of its own
//
// Prints {"edge":"127.0.0.1:PORT","publish":"127.0.0.1:PORT","pid":N} and serves until it is killed.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

// Answers the key of "GET ..." that the benchmark's client always sends (RFC 6455 section 1.3).
constexpr std::string_view kAnswer =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

int Listen(uint16_t* port) {
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 4096) != 0) std::abort();
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  *port = ntohs(address.sin_port);
  return listener;
}

void SendWhole(int connection, const char* data, size_t size) {
  if (::send(connection, data, size, MSG_DONTWAIT | MSG_NOSIGNAL) != static_cast<ssize_t>(size)) {
    std::fprintf(stderr, "a client was too slow for the bare loop\n");
    std::exit(1);
  }
}

// The length of the whole frame at the front, or 0.
size_t FrameLength(std::string_view bytes) {
  if (bytes.size() < 4) return 0;
  auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  size_t header = 2;
  uint64_t length = byte(1);
  if (length >= 126) {
    header = length == 126 ? 4 : 10;
    if (bytes.size() < header) return 0;
    length = 0;
    for (size_t i = 2; i < header; ++i) length = length << 8 | byte(i);
  }
  return bytes.size() < header + length ? 0 : header + length;
}

}  // namespace

int main(int argc, char** argv) {
  bool join = argc == 2 && std::string_view(argv[1]) == "join";
  if (!join && !(argc == 2 && std::string_view(argv[1]) == "one")) {
    std::fprintf(stderr, "usage: carillon_floor join|one\n");
    return 2;
  }
  uint16_t edge_port = 0;
  uint16_t publish_port = 0;
  int edge = Listen(&edge_port);
  int publish = Listen(&publish_port);
  std::printf("{\"edge\":\"127.0.0.1:%d\",\"publish\":\"127.0.0.1:%d\",\"pid\":%d}\n", edge_port, publish_port,
              static_cast<int>(::getpid()));
  std::fflush(stdout);

  int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  auto watch = [&](int descriptor) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = descriptor;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
  };
  watch(edge);
  watch(publish);

  std::vector<int> connections;
  int publisher = -1;
  std::string waiting;
  std::vector<char> buffer(64 << 10);
  epoll_event events[256];
  for (;;) {
    int count = ::epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < count; ++i) {
      int ready = events[i].data.fd;
      if (ready == edge || ready == publish) {
        int accepted = ::accept4(ready, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0) continue;
        int on = 1;
        ::setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        int send_buffer = 64 << 10;  // as the gateway's connections have it
        if (ready == edge) ::setsockopt(accepted, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
        if (ready == publish) publisher = accepted;
        watch(accepted);
        continue;
      }
      ssize_t got = ::recv(ready, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got <= 0) {
        if (got == 0 || errno != EAGAIN) ::epoll_ctl(epoll, EPOLL_CTL_DEL, ready, nullptr);
        continue;
      }
      if (ready != publisher) {  // the handshake; it comes in one piece on loopback
        if (std::string_view(buffer.data(), static_cast<size_t>(got)).starts_with("GET ")) {
          SendWhole(ready, kAnswer.data(), kAnswer.size());
          connections.push_back(ready);
        }
        continue;
      }
      waiting.append(buffer.data(), static_cast<size_t>(got));
      size_t whole = 0;
      while (size_t length = FrameLength(std::string_view(waiting).substr(whole))) {
        if (!join) {
          for (int connection : connections) SendWhole(connection, waiting.data() + whole, length);
        }
        whole += length;
      }
      if (join && whole > 0) {
        for (int connection : connections) SendWhole(connection, waiting.data(), whole);
      }
      waiting.erase(0, whole);
    }
  }
}
