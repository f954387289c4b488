#include "gateway/wire/new_envelope.h"

#include <fmt/format.h>

#include <atomic>
#include <string>

#include "gateway/base/random.h"

namespace carillon::wire {

std::string NewMessageId() {
  static const std::string* boot = new std::string(RandomHex(4));
  static std::atomic<uint64_t> next{1};
  return fmt::format("{}-{:010x}", *boot, next.fetch_add(1, std::memory_order_relaxed));
}

v1::Envelope NewEnvelope(std::string_view stream, std::string_view event, WallClock::time_point now) {
  v1::Envelope envelope;
  envelope.set_id(NewMessageId());
  envelope.set_stream(std::string(stream));
  envelope.set_event(std::string(event));
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
  envelope.mutable_time()->set_seconds(seconds.count());
  envelope.mutable_time()->set_nanos(static_cast<int32_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch() - seconds).count()));
  return envelope;
}

}  // namespace carillon::wire
