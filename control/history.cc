#include "control/history.h"

#include "control/coverage.h"
#include "control/requests.h"

namespace carillon::control {
namespace {

void FillPosition(const wire::Position& from, v1::Position* to) {
  to->set_epoch(from.epoch);
  to->set_offset(from.offset);
}

}  // namespace

Status ListMessages(engine::Engine& engine, const Caller& caller, const v1::ListMessagesRequest& request,
                    v1::ListMessagesResponse* response) {
  ASSIGN_OR_RETURN(ReadOrder order, ReadListMessages(request, caller));
  ASSIGN_OR_RETURN(engine::Page page,
                   engine.List(order.topic, order.after ? &*order.after : nullptr, order.page_size, kMaxPageBytes));
  auto now = wire::WallClock::now();
  for (const wire::FramePtr& frame : page.frames) {
    if (!frame->expired(now) && !frame->stale(now)) *response->add_messages() = frame->envelope();
  }
  if (page.more) response->set_next_page_token(PageToken(page.frames.back()->position()));
  FillPosition(page.top, response->mutable_position());
  SetCoverage(false, response);
  return absl::OkStatus();
}

StatusOr<wire::Topic> ClearMessages(engine::Engine& engine, const Caller& caller,
                                    const v1::ClearMessagesRequest& request, v1::ClearMessagesResponse* response) {
  ASSIGN_OR_RETURN(wire::Topic topic, ReadClearMessages(request, caller));
  ASSIGN_OR_RETURN(engine::Cleared cleared, engine.Clear(topic));
  response->set_messages(cleared.messages);
  FillPosition(cleared.top, response->mutable_position());
  return topic;
}

}  // namespace carillon::control
