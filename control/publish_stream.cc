#include "control/publish_stream.h"

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <mutex>

#include "control/caller.h"
#include "control/status_mapping.h"

namespace carillon::control {
namespace {

constexpr int kMaxItems = 64;

// A caller that does not read its answers is not read from either, once this many failures wait for it.
constexpr int kMaxPendingFailures = 1024;

// How long to wait where a mailbox is full.
constexpr std::chrono::milliseconds kRetryInterval{2};

// Reads a request, publishes its items in order, reads the next. When a mailbox is full it waits for room before it
// goes on, so gRPC's flow control reaches the sender. Answers are written whenever none is being written.
//
// Reads, writes and waits complete on different threads; `mutex_` guards everything, and gRPC is called without it.
class Stream final : public grpc::ServerBidiReactor<v1::PublishStreamRequest, v1::PublishStreamResponse>,
                     public OpenCalls::Call {
 public:
  Stream(ControlContext& context, const grpc::CallbackServerContext* call,
         StatusOr<std::unique_ptr<const Caller>> caller)
      : context_(context), call_(call), publish_(context.publisher) {
    {
      std::lock_guard lock(mutex_);  // what was made here is used by other threads, under the lock
      finished_ = !caller.ok();
    }
    if (!caller.ok()) {
      Finish(ToGrpc(caller.status()));
      return;
    }
    StartRead(&request_);
    context_.open_calls.Add(this);
    if (context_.stopping.load()) OnStop();  // the others may have been told before
  }
  ~Stream() override { context_.open_calls.Remove(this); }

  // OpenCalls::Call
  void OnStop() override {
    std::unique_lock lock(mutex_);
    stopped_ = true;
    Advance(std::move(lock));
  }

  void OnReadDone(bool ok) override {
    std::unique_lock lock(mutex_);
    if (!ok || reading_over_) {
      reading_over_ = true;
      return Advance(std::move(lock));
    }
    Status status = CheckRequest();
    if (!status.ok()) {
      reading_over_ = true;
      end_ = status;
      return Advance(std::move(lock));
    }
    item_ = 0;
    publishing_ = true;
    busy_ = context_.running.Begin();
    lock.unlock();
    // What came together goes out together; and the next request is asked for before the shards go to work, because on
    // a busy machine they may get this thread's processor.
    hub::Node::WakeAtEnd together(context_.node);
    PublishItems();
  }

  void OnWriteDone(bool ok) override {
    std::unique_lock lock(mutex_);
    writing_ = false;
    if (!ok) cancelled_ = true;
    Advance(std::move(lock));
  }

  void OnCancel() override {
    std::unique_lock lock(mutex_);
    cancelled_ = true;
    Advance(std::move(lock));
  }

  void OnDone() override { delete this; }

 private:
  Status CheckRequest() {
    ASSIGN_OR_RETURN(caller_, CheckCaller(*call_, context_.keys, context_.apps, auth::Verb::kPublish));
    if (request_.seq() != next_seq_) {
      return FieldError("seq", fmt::format("is {}, but the next item is number {}", request_.seq(), next_seq_));
    }
    if (request_.items().empty() || request_.items_size() > kMaxItems) {
      return FieldError("items", fmt::format("1 to {} items, not {}", kMaxItems, request_.items_size()));
    }
    return absl::OkStatus();
  }

  // Publishes what is left of the request. Only one thread is ever in here: the one that completed the read, or the one
  // that was told that there is room.
  void PublishItems() {
    if (!PublishWhileThereIsRoom()) {
      // The next shard to be full may be another, and who else waits for it is not known: looking again is simpler than
      // being told, and cheap next to what fills a mailbox.
      context_.node.After(kRetryInterval, [this] { PublishItems(); });
      return;
    }
    std::unique_lock lock(mutex_);
    idle_ = true;
    publishing_ = false;
    std::shared_ptr<void> done = std::move(busy_);
    Advance(std::move(lock));
  }

  // False where a mailbox is full.
  bool PublishWhileThereIsRoom() {
    while (item_ < request_.items_size()) {
      Status status = PublishItem(request_.items(item_));
      if (status.code() == absl::StatusCode::kResourceExhausted) return false;
      std::lock_guard lock(mutex_);
      if (status.code() == absl::StatusCode::kUnavailable) {  // nothing more will be published
        reading_over_ = true;
        end_ = status;
        return true;
      }
      if (absl::IsPermissionDenied(status)) context_.refusals.Add(status, caller_->name());
      if (!status.ok()) {
        auto* failure = pending_.add_failures();
        failure->set_seq(next_seq_);
        failure->set_code(static_cast<int>(status.code()));
        failure->set_message(MessageOf(status));
        failure->set_reason(ReasonFor(status));
        failure->set_field(FieldOf(status));
      }
      pending_.set_acked_to(next_seq_++);
      ++item_;
    }
    return true;
  }

  Status PublishItem(const v1::PublishItem& item) {
    if (context_.stopping.load(std::memory_order_relaxed)) return absl::UnavailableError(kShuttingDown);
    if (cancelled_.load(std::memory_order_relaxed)) return absl::CancelledError("the caller is gone");
    return publish_.Publish(item, *caller_);
  }

  // Does what can be done now: write an answer, read on, or end the call.
  void Advance(std::unique_lock<std::mutex> lock) {
    if (finished_) return;
    // The gateway does not wait for a caller that has nothing to say. Where the read has just brought something, it is
    // not published: it was not acknowledged, and the caller is told to go elsewhere.
    if (stopped_ && !publishing_ && !reading_over_) {
      reading_over_ = true;
      end_ = absl::UnavailableError(kShuttingDown);
    }
    bool write = false;
    bool read = false;
    bool finish = false;
    bool answer_waits = pending_.acked_to() > acked_to_;
    if (!writing_ && answer_waits && !cancelled_) {
      writing_ = write = true;
      acked_to_ = pending_.acked_to();
      response_ = std::move(pending_);
      pending_ = {};
      pending_.set_acked_to(acked_to_);
      answer_waits = false;
    }
    if (idle_ && !reading_over_ && !cancelled_ && pending_.failures_size() < kMaxPendingFailures) {
      idle_ = false;
      read = beginning_read_ = true;
    }
    bool waiting = !idle_ && !reading_over_ && !read;  // for the read, or what it brought
    bool over = !publishing_ && (reading_over_ || (cancelled_ && !waiting));
    if (over && !beginning_read_ && !writing_ && (!answer_waits || cancelled_)) {
      finished_ = finish = true;
    }
    Status end = end_;
    lock.unlock();
    if (write) StartWrite(&response_);
    if (finish) return Finish(ToGrpc(end));
    if (!read) return;
    StartRead(&request_);
    lock.lock();
    beginning_read_ = false;
    Advance(std::move(lock));
  }

  ControlContext& context_;
  const grpc::CallbackServerContext* call_;  // lives as long as this
  v1::PublishStreamRequest request_;
  v1::PublishStreamResponse response_;  // being written

  // Of the thread that publishes.
  int item_ = 0;
  std::unique_ptr<const Caller> caller_;  // of the request
  ResumablePublish publish_;

  std::mutex mutex_;
  v1::PublishStreamResponse pending_;  // what the next answer will say
  uint64_t next_seq_ = 1;
  uint64_t acked_to_ = 0;  // as far as answers have said
  bool idle_ = false;      // nothing to publish: may read
  bool writing_ = false;
  bool beginning_read_ = false;         // Finish must not overtake it
  bool stopped_ = false;                // the gateway ends
  bool reading_over_ = false;           // the caller has said everything, or has said something wrong
  std::atomic<bool> cancelled_{false};  // also read without the lock, between items
  bool finished_ = false;
  Status end_;
  bool publishing_ = false;
  std::shared_ptr<void> busy_;  // while it is
};

}  // namespace

grpc::ServerBidiReactor<v1::PublishStreamRequest, v1::PublishStreamResponse>* MakePublishStream(
    ControlContext& context, const grpc::CallbackServerContext* call, StatusOr<std::unique_ptr<const Caller>> caller) {
  return new Stream(context, call, std::move(caller));
}

}  // namespace carillon::control
