#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "carillon/v1/events.pb.h"
#include "gateway/base/metrics.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/position.h"
#include "gateway/wire/topic.h"

namespace carillon::engine {

// How far a group of consumers has come in each part of a feed.
struct GroupPlace {
  wire::AppId app = wire::kDefaultApp;
  std::string group;
  std::vector<wire::Position> acknowledged;

  bool operator==(const GroupPlace&) const = default;
};

// Where what happens in an app is recorded for its backends: the log of the topic kind events (events.proto says what
// may be in it). An app is recorded from the first time that somebody watches; until then an event costs one look.
// Thread: any, also with the locks of presence and of a topic held; see MemoryEngine for the order of locks.
class Feed {
 public:
  using Publish = std::function<void(const wire::TopicView& feed, wire::FramePtr event)>;

  // `begin` makes the log, so that it has a position before the first event.
  Feed(Publish publish, std::function<void(wire::AppId)> begin)
      : publish_(std::move(publish)), begin_(std::move(begin)) {}

  static wire::TopicView TopicOf(wire::AppId app) { return {app, wire::TopicKind::kEvents, ""}; }

  bool Records(wire::AppId app) const { return recorded_[app].load(std::memory_order_relaxed); }
  // Never with a lock of the engine held.
  void Begin(wire::AppId app) {
    if (!recorded_[app].exchange(true)) begin_(app);
  }

  // Makes an event where the app is recorded: `fill(event)` says what there is besides its kind and time.
  template <class Fill>
  void Record(wire::AppId app, v1::EventKind kind, Fill&& fill) {
    if (!Records(app)) return;
    v1::FeedEvent event;
    event.set_kind(kind);
    fill(event);
    Add(app, event);
  }

  // In the feeds of all apps.
  void RecordDrain(const v1::DrainNotice& notice);
  void RecordDrain(wire::AppId app, const v1::DrainNotice& notice);

  // Places that outlive the process, as the logs do: given before a snapshot is written, and there to be taken once one
  // was loaded. Not while somebody watches.
  void KeepPlaces(std::vector<GroupPlace> places) { places_ = std::move(places); }
  std::vector<GroupPlace> TakePlaces() { return std::exchange(places_, {}); }

  void Collect(MetricsWriter& writer) const;

 private:
  void Add(wire::AppId app, const v1::FeedEvent& event);

  const Publish publish_;
  const std::function<void(wire::AppId)> begin_;
  std::array<std::atomic<bool>, wire::kMaxApps> recorded_{};
  SharedCounter events_;
  std::vector<GroupPlace> places_;
};

// What was recorded, with its offset and time.
v1::FeedEvent EventOf(const wire::Frame& frame);

}  // namespace carillon::engine
