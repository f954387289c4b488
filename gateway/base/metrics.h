#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Metrics in two halves. Counting: plain relaxed integers owned by whoever counts. Scraping: collectors read those
// integers and prometheus-cpp writes them down. Nothing on the hot path touches the library.
namespace carillon {

// An integer with one writer (its own thread) and any number of readers.
class OwnCounter {
 public:
  void Add(uint64_t n = 1) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  void Sub(uint64_t n = 1) { value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// An integer that any thread may add to; for events that are rare beside messages.
class SharedCounter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// What a collector writes into. Labels are name and value; values come from fixed sets, never from clients.
class MetricsWriter {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  MetricsWriter();
  ~MetricsWriter();

  void Counter(std::string_view name, std::string_view help, uint64_t value, Labels labels = {});
  void Gauge(std::string_view name, std::string_view help, double value, Labels labels = {});

  // The Prometheus text format.
  std::string Text() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

// The collectors of a node. Add at start, from one thread; Text from any.
class Metrics {
 public:
  using Collector = std::function<void(MetricsWriter&)>;

  void Add(Collector collector) {
    std::lock_guard lock(mutex_);
    collectors_.push_back(std::move(collector));
  }

  std::string Text() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Collector> collectors_;
};

}  // namespace carillon
