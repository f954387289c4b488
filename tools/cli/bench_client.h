#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "gateway/base/status.h"
#include "tools/cli/latency_histogram.h"

// The listening side of the benchmark: many WebSockets on one epoll loop, each frame counted and in order.
struct ssl_ctx_st;
struct ssl_st;

namespace carillon::cli {

// How far the publisher may run ahead of the slowest client (design.md section 7): "saturated" means this and no more.
inline constexpr uint64_t kWindow = 128;

// A payload of exactly `bytes` bytes of JSON: a string that begins with the message's number and the time it was due.
std::string MakePayload(uint64_t number, int64_t due_ns, size_t bytes);
inline constexpr size_t kMinPayloadBytes = 34;

int64_t NowNs();

// A blocking TCP connection to an IPv4 address and port, "127.0.0.1:7310". `receive_buffer_bytes` 0 leaves the kernel's
// default.
StatusOr<int> ConnectTcp(const std::string& address, int receive_buffer_bytes = 0);

class BenchClient {
 public:
  struct Options {
    std::string address;  // host:port of the edge or of a bare loop
    std::string target;   // path and query
    uint32_t connections = 1000;
    uint32_t stopped = 0;  // this many of them stop reading after their handshake, and are not counted
    bool window = true;    // keep count of the slowest client
    bool tls = false;      // without looking at the certificate
  };

  explicit BenchClient(Options options) : options_(std::move(options)) {}
  ~BenchClient();

  // Connects all and waits until each has had its handshake and its welcome. Bare loops send no welcome.
  Status Connect(bool expect_welcome);

  // Counts from here on, on a thread of its own.
  void Start();
  void Stop();

  // Messages are numbered from 1. Any thread.
  uint64_t slowest() const { return slowest_.load(std::memory_order_acquire); }  // every client has all up to here
  uint64_t deliveries() const { return deliveries_.load(std::memory_order_relaxed); }
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }      // holes, repeats, disorder
  uint64_t closed() const { return closed_.load(std::memory_order_relaxed); }  // connections that ended

  // Blocks until slowest() has reached `number`, or the client has stopped or lost a connection.
  void WaitFor(uint64_t number);

  // From the first message numbered at least this on, latencies count. Before Start.
  void MeasureLatency(bool on) { measure_.store(on, std::memory_order_relaxed); }

  // After Stop.
  const LatencyHistogram& latencies() const { return latencies_; }

 private:
  struct Connection {
    int descriptor = -1;
    ssl_st* ssl = nullptr;    // null: without TLS
    uint64_t last = 0;        // number of the newest message
    uint32_t payload_at = 0;  // where the payload's text begins in a frame; learnt from the first
    bool stopped = false;
    std::string rest;  // the beginning of a frame
  };

  Status ConnectOne(Connection& connection, bool expect_welcome);
  void Loop();
  void Read(Connection& connection);
  void TakeBytes(Connection& connection, const char* data, size_t size, int64_t now);
  // Takes whole frames off the front; returns how many bytes they took.
  size_t TakeFrames(Connection& connection, const char* data, size_t size, int64_t now);
  void TakeMessage(Connection& connection, const char* frame, size_t size, int64_t now);
  void Fail(Connection& connection);
  void Changed();  // for those who wait

  const Options options_;
  std::vector<Connection> connections_;
  int epoll_ = -1;
  ssl_ctx_st* tls_ = nullptr;
  std::thread thread_;
  std::atomic<bool> running_{false};
  std::atomic<bool> measure_{false};
  LatencyHistogram latencies_;
  std::vector<uint32_t> arrived_;  // how many clients have each message of the window
  uint64_t expected_ = 0;          // clients that count
  std::vector<char> buffer_;

  std::atomic<uint64_t> slowest_{0};
  std::atomic<uint32_t> changes_{0};  // of slowest_, closed_ and running_
  std::atomic<uint64_t> deliveries_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> lost_{0};
  std::atomic<uint64_t> closed_{0};
};

}  // namespace carillon::cli
