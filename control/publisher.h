#pragma once

#include "carillon/v1/control.pb.h"
#include "control/requests.h"
#include "gateway/base/metrics.h"
#include "gateway/hub/node.h"

namespace carillon::control {

// What became of a draft.
struct Outcome {
  v1::Receipt receipt;
  uint32_t topics_reached = 0;  // topics with at least one session
};

// Publishes drafts to the node. Any thread.
class Publisher {
 public:
  explicit Publisher(hub::Node& node) : node_(node) {}

  // RESOURCE_EXHAUSTED where the gateway is behind; the drafts's topics from *next on are then still to be served.
  StatusOr<Outcome> Publish(const Draft& draft);

  // Continues where Publish stopped: adds to *outcome and moves *next. For callers that wait for room.
  Status PublishFrom(const Draft& draft, size_t* next, Outcome* outcome);

  void Collect(MetricsWriter& writer) const;

 private:
  hub::Node& node_;
  SharedCounter published_;
  SharedCounter behind_;
};

}  // namespace carillon::control
