#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

namespace carillon::cli {

// Ctrl-C, and SIGTERM, as something to end well on: while one of these is there, the first is noted, and a second ends
// the process as it always did. Made before gRPC has threads, which must not take the signal instead.
class Interrupt {
 public:
  // `then` runs on a thread of its own, and must not wait.
  explicit Interrupt(std::function<void()> then = [] {});
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool raised() const { return raised_; }

  // True where it was raised before the time was over.
  bool WaitFor(std::chrono::nanoseconds time) const;

  // Readable once it was raised.
  int descriptor() const { return descriptor_; }

 private:
  void Listen();

  const std::function<void()> then_;
  const int descriptor_;
  std::atomic<bool> raised_{false};
  std::atomic<bool> over_{false};
  std::thread thread_;
};

}  // namespace carillon::cli
