#include "control/watch.h"

#include "control/requests.h"

namespace carillon::control {

Watch* Watch::Begin(ControlContext& context, const grpc::ServerContextBase& metadata, Call& call) {
  std::shared_ptr<Watch> made(new Watch(context, metadata, call));
  made->self_ = made;
  if (Status status = made->CheckStill(); !status.ok()) {
    made->End(status);
  } else {
    made->to_read_ = true;
    made->Advance();
  }
  return made.get();
}

// Keys and apps may have changed since the call began.
Status Watch::CheckStill() {
  auto caller = CheckCaller(metadata_, context_.keys, context_.apps, auth::Verb::kRead);
  Status status = caller.status();
  if (status.ok()) status = (*caller)->CheckAllStreams();
  if (status.ok() && stay_ != nullptr) status = (*caller)->AppOf(app_).status();
  if (absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status)) {
    context_.refusals.Add(status, CallerName(metadata_, context_.keys));
  }
  return status;
}

Status Watch::Take(const v1::WatchRequest& request) {
  if (request.has_ack()) {
    if (stay_ == nullptr) return FieldError("begin", "the first request must be this");
    return stay_->Ack(request.ack().partition(), request.ack().epoch(), request.ack().offset());
  }
  if (!request.has_begin()) return FieldError("kind", "begin or ack is needed");
  if (stay_ != nullptr) return FieldError("begin", "goes with the first request only");
  ASSIGN_OR_RETURN(auto caller, CheckCaller(metadata_, context_.keys, context_.apps, auth::Verb::kRead));
  ASSIGN_OR_RETURN(WatchOrder order, ReadWatch(request.begin(), *caller));
  app_ = order.app_name;
  ASSIGN_OR_RETURN(stay_, context_.events.Join(std::move(order), weak_from_this()));
  running_ = context_.running.Begin();  // what there is to say is said before the gateway ends
  return absl::OkStatus();
}

void Watch::OnRead(bool ok) {
  std::unique_lock lock(mutex_);
  Status status;
  if (ok) {
    status = Take(request_);
    to_read_ = status.ok();
  } else if (stay_ == nullptr) {
    status = FieldError("begin", "the first request must be this");
  } else if (stay_->in_group() && !end_.has_value()) {
    end_ = absl::OkStatus();  // who acknowledges nothing any more leaves its parts to others; alone, it may listen on
  }
  if (!status.ok() && !end_.has_value()) end_ = status;
  lock.unlock();
  Advance();
}

void Watch::OnWritten(bool ok) {
  std::unique_lock lock(mutex_);
  busy_ = false;
  if (!ok && !end_.has_value()) end_ = absl::CancelledError("the caller is gone");
  lock.unlock();
  Advance();
}

void Watch::OnCancel() {
  End(absl::CancelledError("the caller is gone"));
}

void Watch::OnDone() {
  std::shared_ptr<Watch> self = std::move(self_);
  std::unique_lock lock(mutex_);
  std::unique_ptr<EventFeed::Stay> stay = std::move(stay_);
  std::shared_ptr<void> running = std::move(running_);
  lock.unlock();
}

void Watch::End(const Status& status) {
  std::unique_lock lock(mutex_);
  if (!end_.has_value()) end_ = status;
  lock.unlock();
  Advance();
}

StatusOr<std::optional<v1::WatchResponse>> Watch::Next() {
  RETURN_IF_ERROR(CheckStill());
  bool stopping = context_.stopping.load();
  ASSIGN_OR_RETURN(std::optional<v1::WatchResponse> next, stay_->Next());
  if (!next.has_value() && stopping) return absl::UnavailableError(kShuttingDown);
  return next;
}

// Reads on, writes what comes next or ends the call, as far as nobody else is at it. gRPC is called without the lock.
// The call ends with Finish, and nothing may be begun after it: so that waits while a read is just being begun.
void Watch::Advance() {
  std::unique_lock lock(mutex_);
  again_ = true;
  while (to_read_ && !beginning_read_ && !end_.has_value()) {  // one may have come before it was begun for good
    to_read_ = false;
    beginning_read_ = true;
    lock.unlock();
    call_.Read(&request_);
    lock.lock();
    beginning_read_ = false;
  }
  if (busy_ || finished_) return;
  bool write = false;
  while (!write && !end_.has_value() && stay_ != nullptr && std::exchange(again_, false)) {
    auto next = Next();
    if (!next.ok()) {
      end_ = next.status();
    } else if (next->has_value()) {
      response_ = **std::move(next);
      busy_ = write = true;
    }
  }
  bool finish = !write && end_.has_value() && !beginning_read_;
  if (finish) finished_ = true;
  Status end = end_.value_or(absl::OkStatus());
  lock.unlock();
  if (write) call_.Write(&response_);
  if (finish) call_.Finish(end);
}

}  // namespace carillon::control
