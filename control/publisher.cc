#include "control/publisher.h"

namespace carillon::control {

Status Publisher::PublishFrom(const Draft& draft, size_t* next, Outcome* outcome) {
  outcome->receipt.set_message_id(draft.frame->envelope().id());
  for (; *next < draft.topics.size(); ++*next) {
    auto published = node_.Publish(draft.topics[*next], draft.frame, draft.stream_subscribers_only);
    if (!published.ok()) {
      behind_.Add();
      return published.status();
    }
    outcome->receipt.set_sessions(outcome->receipt.sessions() + published->sessions);
    if (published->sessions > 0) ++outcome->topics_reached;
  }
  published_.Add();
  return absl::OkStatus();
}

StatusOr<Outcome> Publisher::Publish(const Draft& draft) {
  Outcome outcome;
  size_t next = 0;
  Status status = PublishFrom(draft, &next, &outcome);
  if (status.ok()) return outcome;
  if (next == 0) return status;
  return ResourceExhausted("{}; {} of {} users were served", MessageOf(status), next, draft.topics.size());
}

void Publisher::Collect(MetricsWriter& writer) const {
  writer.Counter("carillon_broadcasts_total", "Messages that backends published.", published_.value());
  writer.Counter("carillon_publish_refused_total", "Publishes that found a mailbox full.", behind_.value());
}

}  // namespace carillon::control
