#include "gateway/engine/feed.h"

#include "gateway/wire/new_envelope.h"

namespace carillon::engine {

void Feed::Add(wire::AppId app, const v1::FeedEvent& event) {
  v1::Envelope envelope = wire::NewEnvelope(wire::kEventsStream, "", wire::WallClock::now());
  event.SerializeToString(envelope.mutable_binary());
  publish_(TopicOf(app), wire::FramePtr(new wire::Frame(std::move(envelope))));
  events_.Add();
}

void Feed::RecordDrain(const v1::DrainNotice& notice) {
  for (size_t app = 0; app < recorded_.size(); ++app) RecordDrain(static_cast<wire::AppId>(app), notice);
}

void Feed::RecordDrain(wire::AppId app, const v1::DrainNotice& notice) {
  Record(app, v1::EVENT_KIND_DRAIN, [&](v1::FeedEvent& event) { *event.mutable_drain() = notice; });
}

void Feed::Collect(MetricsWriter& writer) const {
  writer.Counter("carillon_feed_events_total", "Events that were recorded for backends that watch.", events_.value());
}

v1::FeedEvent EventOf(const wire::Frame& frame) {
  v1::FeedEvent event;
  event.ParseFromString(frame.envelope().binary());
  event.set_offset(frame.offset());
  *event.mutable_time() = frame.envelope().time();
  return event;
}

}  // namespace carillon::engine
