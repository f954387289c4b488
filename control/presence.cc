#include "control/presence.h"

#include "control/coverage.h"
#include "control/requests.h"

namespace carillon::control {
namespace {

v1::PresenceStatus StatusOf(wire::Availability availability) {
  switch (availability) {
    case wire::Availability::kOnline:
      return v1::PRESENCE_STATUS_ONLINE;
    case wire::Availability::kAway:
      return v1::PRESENCE_STATUS_AWAY;
    case wire::Availability::kBusy:
      return v1::PRESENCE_STATUS_BUSY;
  }
  return v1::PRESENCE_STATUS_UNSPECIFIED;
}

void Fill(const wire::Member& from, v1::PresenceMember* to) {
  to->set_user_id(from.user_id);
  to->set_name(from.name);
  to->set_info(from.info);
  to->set_status(StatusOf(from.mood.availability));
  to->set_text(from.mood.text);
  auto since = std::chrono::duration_cast<std::chrono::milliseconds>(from.since.time_since_epoch()).count();
  to->mutable_join_time()->set_seconds(since / 1000);
  to->mutable_join_time()->set_nanos(static_cast<int32_t>(since % 1000) * 1'000'000);
  to->set_sessions(from.sessions);
}

}  // namespace

Status GetPresence(engine::Engine& engine, const Caller& caller, const v1::GetPresenceRequest& request,
                   v1::GetPresenceResponse* response) {
  ASSIGN_OR_RETURN(PresenceOrder order, ReadGetPresence(request, caller));
  if (!engine.KeepsPresence(order.stream)) {
    return WithReason(
        FailedPrecondition("it is not known who is in the stream {} (config: streams[].presence)", order.stream.name),
        "NO_PRESENCE");
  }
  engine::Members members = engine.presence().List(order.stream, order.after, order.page_size, true);
  for (const wire::Member& member : members.page) Fill(member, response->add_members());
  if (members.more && order.page_size > 0) response->set_next_page_token(PageToken(members.page.back().user_id));
  response->set_count(static_cast<uint32_t>(members.count));
  response->set_counts_only(members.counts_only);
  SetCoverage(false, response);
  return absl::OkStatus();
}

}  // namespace carillon::control
