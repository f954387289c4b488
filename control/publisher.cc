#include "control/publisher.h"

namespace carillon::control {

// --- Whole messages --------------------------------------------------------------------------------------------------

template <class Request>
StatusOr<Outcome> Publisher::Publish(const Request& request, const Caller& caller, OnReport report) {
  return PublishDraft(drafter_.Read(request, caller), std::move(report));
}
template StatusOr<Outcome> Publisher::Publish(const v1::BroadcastToUserRequest&, const Caller&, OnReport);
template StatusOr<Outcome> Publisher::Publish(const v1::BroadcastToUsersRequest&, const Caller&, OnReport);
template StatusOr<Outcome> Publisher::Publish(const v1::BroadcastStreamRequest&, const Caller&, OnReport);
template StatusOr<Outcome> Publisher::Publish(const v1::BroadcastAllRequest&, const Caller&, OnReport);
template StatusOr<Outcome> Publisher::Publish(const v1::SendToSessionRequest&, const Caller&, OnReport);

StatusOr<Outcome> Publisher::PublishDraft(StatusOr<Draft> draft, OnReport report) {
  if (!draft.ok()) return draft.status();
  Outcome outcome;
  std::shared_ptr<engine::DeliveryReport> gather;
  if (draft->report && report != nullptr) {
    // Each shard answers once for each topic, and so does this function.
    size_t answers = draft->topics.size() * node_.shards();
    gather = std::make_shared<engine::DeliveryReport>(
        answers, [report = std::move(report)](const engine::DeliveryReport::Result& result) mutable {
          v1::DeliveryReport sum;
          for (const engine::DeliveryCounts& counts : result.answers) {
            sum.set_queued(sum.queued() + counts.queued);
            sum.set_filtered(sum.filtered() + counts.filtered);
            sum.set_dropped(sum.dropped() + counts.dropped);
            sum.set_replaying(sum.replaying() + counts.replaying);
          }
          sum.set_partial(result.partial);
          report(sum);
        });
  }
  size_t next = 0;
  Status status = PublishFrom(*draft, &next, &outcome, gather);
  if (status.ok()) {
    if (gather != nullptr) node_.After(hub::Node::kAskDeadline, [gather] { gather->GiveUp(); });
    return outcome;
  }
  if (status.code() == absl::StatusCode::kResourceExhausted) behind_.Add();
  if (next == 0) return status;
  return Status(status.code(), fmt::format("{}; the first {} of {} users were served, go on with {}", MessageOf(status),
                                           next, draft->topics.size(), draft->topics[next].name));
}

Status Publisher::PublishFrom(Draft& draft, size_t* next, Outcome* outcome,
                              const std::shared_ptr<engine::DeliveryReport>& report) {
  v1::Receipt& receipt = outcome->receipt;
  if (*next == 0) receipt.set_message_id(draft.frame->envelope().id());
  bool several = draft.topics.size() > 1;
  for (; *next < draft.topics.size(); ++*next) {
    engine::Publication publication{draft.topics[*next], several ? draft.frame : std::move(draft.frame)};
    publication.request_id = draft.request_id;
    publication.fingerprint = draft.fingerprint;
    publication.skip_history = draft.skip_history;
    publication.expected = draft.expected.has_value() ? &*draft.expected : nullptr;
    publication.report = report;
    auto published = node_.Publish(publication);
    if (!published.ok()) {
      if (!several) draft.frame = std::move(publication.frame);
      return published.status();
    }
    const engine::PublishOutcome& became = *published;
    receipt.set_sessions(receipt.sessions() + became.sessions);
    if (became.sessions > 0) ++outcome->topics_reached;
    // Of several users, it is a duplicate where all of them have had it.
    if (published->duplicate && (*next == 0 || receipt.duplicate())) {
      if (*next == 0) receipt.set_message_id(became.message_id);
      receipt.set_duplicate(true);
    } else if (receipt.duplicate()) {
      receipt.set_message_id(draft.frame->envelope().id());
      receipt.set_duplicate(false);
    }
    if (became.position.has_value() && !several) {
      receipt.mutable_position()->set_epoch(became.position->epoch);
      receipt.mutable_position()->set_offset(became.position->offset);
    }
    // The shards that the message does not go to.
    int silent = report == nullptr ? 0 : node_.shards() - __builtin_popcountll(published->shards);
    for (int i = 0; i < silent; ++i) report->Add({});
  }
  published_[draft.topics.front().app].Add();
  return absl::OkStatus();
}

void Publisher::Collect(MetricsWriter& writer, const auth::Apps& apps) const {
  uint64_t total = 0;
  for (const SharedCounter& counter : published_) total += counter.value();
  writer.Counter("carillon_broadcasts_total", "Messages that backends published.", total);
  for (const auth::App& app : apps.all()) {
    writer.Counter("carillon_app_broadcasts_total", "Messages that backends published, by app.",
                   published_[app.id].value(), {{"app", app.name}});
  }
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

Status ResumablePublish::Publish(const v1::PublishItem& item, const Caller& caller) {
  if (progress_ == nullptr) {
    ASSIGN_OR_RETURN(Draft draft, publisher_.drafter_.Read(item, caller));
    if (draft.report) return FieldError("options.report", "PublishStream's answers have no place for it");
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
