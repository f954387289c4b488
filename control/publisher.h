#pragma once

#include <memory>

#include "carillon/v1/control.pb.h"
#include "control/requests.h"
#include "gateway/base/metrics.h"
#include "gateway/hub/node.h"

namespace carillon::control {

// What became of a message.
struct Outcome {
  v1::Receipt receipt;
  uint32_t topics_reached = 0;  // topics with at least one session
};

// From a request to the node: checks it, makes the message, publishes it. Any thread.
class Publisher {
 public:
  Publisher(hub::Node& node, size_t max_publish_bytes) : node_(node), drafter_(max_publish_bytes) {}

  // RESOURCE_EXHAUSTED where the gateway is behind; the message then says how many of several users were served.
  StatusOr<Outcome> Publish(const v1::BroadcastToUserRequest& request);
  StatusOr<Outcome> Publish(const v1::BroadcastToUsersRequest& request);
  StatusOr<Outcome> Publish(const v1::BroadcastStreamRequest& request);
  StatusOr<Outcome> Publish(const v1::BroadcastAllRequest& request);
  StatusOr<Outcome> Publish(const v1::SendToSessionRequest& request);

  void Collect(MetricsWriter& writer) const;

 private:
  friend class ResumablePublish;

  StatusOr<Outcome> PublishDraft(const StatusOr<Draft>& draft);
  // Serves the topics from *next on, adding to *outcome; RESOURCE_EXHAUSTED leaves *next at the one that found no room.
  Status PublishFrom(const Draft& draft, size_t* next, Outcome* outcome);

  hub::Node& node_;
  Drafter drafter_;
  SharedCounter published_;
  SharedCounter behind_;
};

// Publishes one item after another for a caller that can wait: after RESOURCE_EXHAUSTED, Publish with the same item
// goes on where it stopped, and the message stays the same one. Thread: one at a time.
class ResumablePublish {
 public:
  explicit ResumablePublish(Publisher& publisher);
  ~ResumablePublish();

  Status Publish(const v1::PublishItem& item);

 private:
  struct Progress;

  Publisher& publisher_;
  std::unique_ptr<Progress> progress_;  // of the item that waits for room
};

}  // namespace carillon::control
