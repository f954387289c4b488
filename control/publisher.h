#pragma once

#include <array>
#include <memory>

#include "carillon/v1/control.pb.h"
#include "control/drafter.h"
#include "gateway/base/metrics.h"
#include "gateway/hub/node.h"

namespace carillon::control {

// What became of a message.
struct Outcome {
  v1::Receipt receipt;
  uint32_t topics_reached = 0;  // topics with at least one session
};

// From a request to the node: checks it, makes the message, publishes it. Any thread.
// Where the request asks for a report, `report` is called later, once, on a shard's or the timers' thread, with the
// receipt's; it is then the caller's signal that everything is known. Else it is not called.
class Publisher {
 public:
  Publisher(hub::Node& node, size_t max_publish_bytes) : node_(node), drafter_(max_publish_bytes) {}

  using OnReport = absl::AnyInvocable<void(const v1::DeliveryReport&)>;

  // RESOURCE_EXHAUSTED where the gateway is behind; the message then says how many of several users were served. For
  // the other errors, see engine::Engine::Publish.
  template <class Request>  // those of the unary RPCs
  StatusOr<Outcome> Publish(const Request& request, const Caller& caller, OnReport report = nullptr);

  void Collect(MetricsWriter& writer, const auth::Apps& apps) const;

  size_t max_publish_bytes() const { return drafter_.max_publish_bytes(); }

 private:
  friend class ResumablePublish;

  StatusOr<Outcome> PublishDraft(StatusOr<Draft> draft, OnReport report);
  // Serves the topics from *next on, adding to *outcome; an error leaves *next at the one that failed.
  Status PublishFrom(Draft& draft, size_t* next, Outcome* outcome,
                     const std::shared_ptr<engine::DeliveryReport>& report = nullptr);

  hub::Node& node_;
  Drafter drafter_;
  std::array<SharedCounter, wire::kMaxApps> published_;  // by app
  SharedCounter behind_;
};

// Publishes one item after another for a caller that can wait: after RESOURCE_EXHAUSTED, Publish with the same item
// goes on where it stopped, and the message stays the same one. Thread: one at a time.
class ResumablePublish {
 public:
  explicit ResumablePublish(Publisher& publisher);
  ~ResumablePublish();

  Status Publish(const v1::PublishItem& item, const Caller& caller);

 private:
  struct Progress;

  Publisher& publisher_;
  std::unique_ptr<Progress> progress_;  // of the item that waits for room
};

}  // namespace carillon::control
