#include "control/publisher.h"

namespace carillon::control {

// --- Whole messages --------------------------------------------------------------------------------------------------

StatusOr<Outcome> Publisher::Publish(const v1::BroadcastToUserRequest& request) {
  return PublishDraft(drafter_.Read(request));
}
StatusOr<Outcome> Publisher::Publish(const v1::BroadcastToUsersRequest& request) {
  return PublishDraft(drafter_.Read(request));
}
StatusOr<Outcome> Publisher::Publish(const v1::BroadcastStreamRequest& request) {
  return PublishDraft(drafter_.Read(request));
}
StatusOr<Outcome> Publisher::Publish(const v1::BroadcastAllRequest& request) {
  return PublishDraft(drafter_.Read(request));
}
StatusOr<Outcome> Publisher::Publish(const v1::SendToSessionRequest& request) {
  return PublishDraft(drafter_.Read(request));
}

StatusOr<Outcome> Publisher::PublishDraft(const StatusOr<Draft>& draft) {
  if (!draft.ok()) return draft.status();
  Outcome outcome;
  size_t next = 0;
  Status status = PublishFrom(*draft, &next, &outcome);
  if (status.ok()) return outcome;
  behind_.Add();
  if (next == 0) return status;
  return ResourceExhausted("{}; the first {} of {} users were served, go on with {}", MessageOf(status), next,
                           draft->topics.size(), draft->topics[next].name);
}

Status Publisher::PublishFrom(const Draft& draft, size_t* next, Outcome* outcome) {
  outcome->receipt.set_message_id(draft.frame->envelope().id());
  for (; *next < draft.topics.size(); ++*next) {
    auto published = node_.Publish(draft.topics[*next], draft.frame, draft.stream_subscribers_only);
    if (!published.ok()) return published.status();
    outcome->receipt.set_sessions(outcome->receipt.sessions() + published->sessions);
    if (published->sessions > 0) ++outcome->topics_reached;
  }
  published_.Add();
  return absl::OkStatus();
}

void Publisher::Collect(MetricsWriter& writer) const {
  writer.Counter("carillon_broadcasts_total", "Messages that backends published.", published_.value());
  writer.Counter("carillon_publish_refused_total",
                 "Messages that found a mailbox full: unary calls were refused, PublishStream waited.",
                 behind_.value());
}

// --- Item by item ----------------------------------------------------------------------------------------------------

struct ResumablePublish::Progress {
  Draft draft;
  size_t next = 0;
  Outcome outcome;
  bool waits = false;
};

ResumablePublish::ResumablePublish(Publisher& publisher) : publisher_(publisher) {}
ResumablePublish::~ResumablePublish() = default;

Status ResumablePublish::Publish(const v1::PublishItem& item) {
  if (progress_ == nullptr) {
    ASSIGN_OR_RETURN(Draft draft, publisher_.drafter_.Read(item));
    progress_ = std::make_unique<Progress>(Progress{std::move(draft)});
  }
  Status status = publisher_.PublishFrom(progress_->draft, &progress_->next, &progress_->outcome);
  if (status.code() != absl::StatusCode::kResourceExhausted) {
    progress_.reset();
  } else if (!std::exchange(progress_->waits, true)) {
    publisher_.behind_.Add();
  }
  return status;
}

}  // namespace carillon::control
