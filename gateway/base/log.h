#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

// Logging: one line an event, for a person who was not there. Lines go to standard error through a bounded ring and a
// thread of their own: a blocked or full sink loses lines (counted), never traffic. Values are escaped and cut to 256
// bytes. Never pass a token, a cookie, a query string or a payload. Any thread.
namespace carillon::log {

enum class Level { kDebug, kInfo, kWarn, kError };
enum class Format { kText, kJson };

// A named value of a line. Holds references: for use in the call's own expression only.
struct Field {
  Field(std::string_view key, std::string_view value) : key(key), text(value), is_text(true) {}
  Field(std::string_view key, const std::string& value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, const char* value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, std::integral auto value) : key(key), number(static_cast<int64_t>(value)) {}

  std::string_view key;
  std::string_view text;
  int64_t number = 0;
  bool is_text = false;
};
using Fields = std::initializer_list<Field>;

// Starts the logging thread. Before it, and after Stop, lines are dropped. Not thread-safe.
void Start(Level level, Format format);

// The least level, from the next line on. Any thread.
void SetLevel(Level level);

// Writes what waits and ends the thread. Lines that others write meanwhile may be lost. Not thread-safe against Start.
void Stop();

void Write(Level level, std::string_view room, std::string_view message, Fields fields = {});

inline void Debug(std::string_view room, std::string_view message, Fields fields = {}) {
  Write(Level::kDebug, room, message, fields);
}
inline void Info(std::string_view room, std::string_view message, Fields fields = {}) {
  Write(Level::kInfo, room, message, fields);
}
inline void Warn(std::string_view room, std::string_view message, Fields fields = {}) {
  Write(Level::kWarn, room, message, fields);
}
inline void Error(std::string_view room, std::string_view message, Fields fields = {}) {
  Write(Level::kError, room, message, fields);
}

// How many lines a full ring, or a sink that fails, has cost.
uint64_t Dropped();

// Lets the first event through and then one a second, counting the others: a flood of refusals must not become a flood
// of lines. Any thread.
class Sampler {
 public:
  // True where this event should be logged; *suppressed is then how many were not since the last one.
  bool Allow(uint64_t* suppressed);

 private:
  std::atomic<int64_t> next_ns_{0};
  std::atomic<uint64_t> suppressed_{0};
};

// A sampler for each of a fixed set of reasons, so that a flood of one does not hide another. Any thread.
class SamplerByReason {
 public:
  bool Allow(std::string_view reason, uint64_t* suppressed);

 private:
  std::mutex mutex_;
  std::map<std::string, Sampler, std::less<>> samplers_;
};

// One line as Write makes it, for tests.
std::string FormatLine(Format format, Level level, std::string_view room, std::string_view message, Fields fields,
                       std::chrono::system_clock::time_point now);

}  // namespace carillon::log
