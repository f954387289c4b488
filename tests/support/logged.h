#pragma once

#include <string>
#include <vector>

#include "gateway/engine/recovery.h"
#include "gateway/wire/frame.h"

// Messages for logs, and short words for what comes out.
namespace carillon::test {

using Time = wire::WallClock::time_point;

inline Time At(int64_t ms) {
  return Time(std::chrono::milliseconds(1'700'000'000'000 + ms));
}

inline wire::FramePtr MessageAt(const std::string& event, Time time, size_t payload_bytes = 0,
                                std::shared_ptr<const wire::Terms> terms = nullptr) {
  v1::Envelope envelope;
  envelope.set_id("00000000-" + event);
  envelope.set_stream("chat");
  envelope.set_event(event);
  if (payload_bytes > 0) envelope.set_json('"' + std::string(payload_bytes, 'x') + '"');
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  envelope.mutable_time()->set_seconds(ms / 1000);
  envelope.mutable_time()->set_nanos(static_cast<int32_t>(ms % 1000 * 1'000'000));
  return wire::FramePtr(new wire::Frame(std::move(envelope), std::move(terms)));
}

inline std::vector<uint64_t> OffsetsOf(const std::vector<wire::FramePtr>& frames) {
  std::vector<uint64_t> offsets;
  for (const auto& frame : frames) offsets.push_back(frame->offset());
  return offsets;
}

inline engine::Since Position(const std::string& epoch, uint64_t offset) {
  engine::Since since;
  since.kind = engine::Since::Kind::kPosition;
  since.position = {epoch, offset};
  return since;
}
inline engine::Since Last(uint64_t count) {
  engine::Since since;
  since.kind = engine::Since::Kind::kLast;
  since.last = count;
  return since;
}
inline engine::Since After(Time time) {
  engine::Since since;
  since.kind = engine::Since::Kind::kTime;
  since.time = time;
  return since;
}

}  // namespace carillon::test
