#include "gateway/base/log.h"

#include <fmt/chrono.h>
#include <poll.h>
#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

#include "gateway/base/json_escape.h"
#include "gateway/base/utf8.h"

namespace carillon::log {
namespace {

// 8,192 lines of some 300 bytes: a few megabytes at worst.
constexpr size_t kRingLines = 8192;

// A field's value may come from a stranger: enough to recognise it by, not enough to fill a disk with.
constexpr size_t kMaxValueBytes = 256;

// Standard error, written so that nobody who fails to read it can hold us up: the logging thread waits for room before
// it writes, and at the end it stops waiting. (A line is shorter than PIPE_BUF, so what poll promises, write keeps.)
class StderrSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  void StopWaiting() { give_up_ns_.store(NowNs() + kPatienceNs); }
  uint64_t lost() const { return lost_.load(); }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    pollfd ready{STDERR_FILENO, POLLOUT, 0};
    for (;;) {
      bool patient = NowNs() <= give_up_ns_.load();
      if (::poll(&ready, 1, patient ? kPollMs : 0) != 0) break;
      if (!patient) return;
    }
    // Failing to write (a full disk, a closed pipe) leaves nowhere to say so but the metric.
    if (::write(STDERR_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) lost_.fetch_add(1);
  }
  void flush_() override {}

 private:
  static constexpr int kPollMs = 10;
  static constexpr int64_t kPatienceNs = 500'000'000;  // for whoever is still reading when we end
  static int64_t NowNs() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

  std::atomic<int64_t> give_up_ns_{INT64_MAX};
  std::atomic<uint64_t> lost_{0};
};

struct Sink {
  Format format;
  std::shared_ptr<StderrSink> out;
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::async_logger> logger;
};

std::atomic<Level> g_level{Level::kInfo};
std::atomic<Sink*> g_sink{nullptr};

// Every sink there was: whoever ends the process at once cannot know that no other thread is just writing a line.
std::vector<std::unique_ptr<Sink>>& Sinks() {
  static auto* sinks = new std::vector<std::unique_ptr<Sink>>;
  return *sinks;
}

// Guards Sink::pool, which ends before the sink does.
std::mutex g_pool_mutex;

constexpr std::string_view kNames[] = {"debug", "info", "warn", "error"};

void AppendValue(std::string& out, const Field& field) {
  if (!field.is_text) {
    fmt::format_to(std::back_inserter(out), "{}", field.number);
    return;
  }
  AppendJsonString(out, field.text.substr(0, kMaxValueBytes));
}

bool IsPlainWord(std::string_view text) {
  for (char c : text) {
    if (c <= ' ' || c >= 0x7F || c == '"' || c == '\\' || c == '=') return false;
  }
  return !text.empty();
}

// Messages are ours, but gRPC's may quote a peer: where one could break the line, it is escaped like a value.
void AppendMessage(std::string& out, std::string_view message) {
  for (std::string_view rest = message; !rest.empty();) {
    size_t length = Utf8SequenceLength(rest);
    bool ascii = length == 1 && rest[0] >= ' ' && rest[0] < 0x7F;
    if (!ascii && (length < 2 || IsObeyed(rest.substr(0, length)))) return AppendJsonString(out, message);
    rest.remove_prefix(length);
  }
  out.append(message);
}

std::string Timestamp(std::chrono::system_clock::time_point now) {
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(now)), ms);
}

}  // namespace

std::string FormatLine(Format format, Level level, std::string_view room, std::string_view message, Fields fields,
                       std::chrono::system_clock::time_point now) {
  std::string_view name = kNames[static_cast<int>(level)];
  std::string line;
  if (format == Format::kJson) {
    line = fmt::format(R"({{"ts":"{}","level":"{}","room":"{}","msg":)", Timestamp(now), name, room);
    AppendJsonString(line, message);
    for (const Field& field : fields) {
      line.push_back(',');
      AppendJsonString(line, field.key);
      line.push_back(':');
      AppendValue(line, field);
    }
    line.push_back('}');
  } else {
    line = fmt::format("{} {:5} {}: ", Timestamp(now), name, room);
    AppendMessage(line, message);
    for (const Field& field : fields) {
      fmt::format_to(std::back_inserter(line), "  {}=", field.key);
      if (field.is_text && field.text.size() <= kMaxValueBytes && IsPlainWord(field.text)) {
        line.append(field.text);
      } else {
        AppendValue(line, field);
      }
    }
  }
  return line;
}

void Start(Level level, Format format) {
  SetLevel(level);
  Stop();
  auto sink = std::make_shared<StderrSink>();
  sink->set_pattern("%v");
  auto pool = std::make_shared<spdlog::details::thread_pool>(kRingLines, 1);
  auto logger =
      std::make_shared<spdlog::async_logger>("carillon", sink, pool, spdlog::async_overflow_policy::overrun_oldest);
  // A sink that fails (a full disk, a closed pipe) has nowhere to report that it failed.
  logger->set_error_handler([](const std::string&) {});
  logger->set_level(spdlog::level::trace);
  Sinks().push_back(std::make_unique<Sink>(Sink{format, std::move(sink), std::move(pool), std::move(logger)}));
  g_sink = Sinks().back().get();
}

void Stop() {
  Sink* sink = g_sink.exchange(nullptr);
  if (sink == nullptr) return;
  sink->out->StopWaiting();
  std::shared_ptr<spdlog::details::thread_pool> pool;
  {
    std::lock_guard lock(g_pool_mutex);
    pool = std::move(sink->pool);
  }
  // Here the pool ends: it drains the ring, as far as somebody reads, and joins its thread.
}

void SetLevel(Level level) {
  g_level.store(level, std::memory_order_relaxed);
}

void Write(Level level, std::string_view room, std::string_view message, Fields fields) {
  Sink* sink = g_sink.load(std::memory_order_acquire);
  if (sink == nullptr || level < g_level.load(std::memory_order_relaxed)) return;
  std::string line = FormatLine(sink->format, level, room, message, fields, std::chrono::system_clock::now());
  sink->logger->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

uint64_t Dropped() {
  Sink* sink = g_sink.load(std::memory_order_acquire);
  std::lock_guard lock(g_pool_mutex);
  return sink == nullptr || sink->pool == nullptr ? 0 : sink->pool->overrun_counter() + sink->out->lost();
}

bool Sampler::Allow(uint64_t* suppressed) {
  constexpr int64_t kIntervalNs = 1'000'000'000;
  int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
  int64_t next = next_ns_.load(std::memory_order_relaxed);
  if (now < next || !next_ns_.compare_exchange_strong(next, now + kIntervalNs, std::memory_order_relaxed)) {
    suppressed_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  *suppressed = suppressed_.exchange(0, std::memory_order_relaxed);
  return true;
}

bool SamplerByReason::Allow(std::string_view reason, uint64_t* suppressed) {
  std::lock_guard lock(mutex_);
  auto it = samplers_.find(reason);
  if (it == samplers_.end()) it = samplers_.try_emplace(std::string(reason)).first;
  return it->second.Allow(suppressed);
}

}  // namespace carillon::log
