#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace carillon::test {

// A WebSocket client of plain system calls, for tests that must see bytes: nothing is checked or answered by itself.
// Everything blocks, for at most test::kPatience; what does not come by then is empty.
class RawWsClient {
 public:
  struct Frame {
    int opcode = -1;  // -1: the connection ended instead
    std::string payload;

    // Of a close frame.
    int code() const;
    std::string_view reason() const { return std::string_view(payload).substr(payload.size() < 2 ? 0 : 2); }
  };

  // Connects to "127.0.0.1:PORT".
  explicit RawWsClient(const std::string& address);
  ~RawWsClient();
  RawWsClient(RawWsClient&& other) noexcept;

  int descriptor() const { return socket_; }

  // Sends bytes as they are.
  void Send(std::string_view bytes);

  // One masked frame.
  void SendFrame(uint8_t opcode, std::string_view payload, bool final = true);
  void SendText(std::string_view text) { SendFrame(1, text); }
  void SendClose(uint16_t code);

  // Upgrades at the path; returns the status of the answer, 101 where it worked.
  int Upgrade(std::string_view path, std::string_view more_headers = "");
  // The answer's head, up to its empty line.
  std::string ReadHead();

  // The next whole frame. Opcode -1 where the connection ended.
  Frame ReadFrame();

  // Everything until the end of the connection.
  std::string ReadToEnd();

  // Whether the connection ended without a goodbye of TCP's.
  bool was_reset() const { return was_reset_; }

  // Ends our side, or the connection with a reset.
  void ShutDown();
  void Reset();

 private:
  bool ReadMore();

  int socket_ = -1;
  bool was_reset_ = false;
  std::string unread_;
};

// The bytes of one masked client frame.
std::string ClientFrame(uint8_t opcode, std::string_view payload, bool final = true, uint32_t mask = 0x37FA213D);

}  // namespace carillon::test
