#include "tools/cli/bulk_publisher.h"

#include <carillon/v1/control.grpc.pb.h>
#include <grpcpp/channel.h>

#include <deque>
#include <mutex>
#include <thread>

namespace carillon::cli {
namespace {

// What a request may hold: so many items, and 1 MiB in all, of which one item may take nearly everything.
constexpr int kMaxItems = 64;
constexpr size_t kMaxRequestBytes = 1'000'000;

}  // namespace

class BulkPublisher::Call {
 public:
  Call(const Remote& remote, Refused refused)
      : refused_(std::move(refused)), stub_(v1::ControlService::NewStub(remote.channel())) {
    remote.Prepare(&context_);
    stream_ = stub_->PublishStream(&context_);
    reader_ = std::thread([this] { ReadAnswers(); });
  }
  ~Call() {
    if (!reader_.joinable()) return;
    context_.TryCancel();
    (void)End();
  }

  bool Add(v1::PublishItem item, uint64_t number) {
    size_t bytes = item.ByteSizeLong();
    if (request_.items_size() == kMaxItems || (request_.items_size() > 0 && bytes_ + bytes > kMaxRequestBytes)) {
      if (!Flush()) return false;
    }
    bytes_ += bytes;
    *request_.add_items() = std::move(item);
    std::lock_guard lock(mutex_);
    waiting_.push_back(number);
    return true;
  }

  bool Flush() {
    if (request_.items().empty()) return true;
    request_.set_seq(next_seq_);
    next_seq_ += static_cast<uint64_t>(request_.items_size());
    bool sent = stream_->Write(request_);
    request_.clear_items();
    bytes_ = 0;
    return sent;
  }

  Status End() {
    Flush();
    stream_->WritesDone();
    reader_.join();
    return FromGrpc(stream_->Finish());
  }

  uint64_t acknowledged() const {
    std::lock_guard lock(mutex_);
    return acknowledged_;
  }
  uint64_t last_acknowledged() const {
    std::lock_guard lock(mutex_);
    return last_acknowledged_;
  }

 private:
  void ReadAnswers() {
    v1::PublishStreamResponse answer;
    while (stream_->Read(&answer)) {
      for (const auto& failure : answer.failures()) {
        refused_(NumberOf(failure.seq()), Status(static_cast<absl::StatusCode>(failure.code()), failure.message()));
      }
      std::lock_guard lock(mutex_);
      while (acknowledged_ < answer.acked_to() && !waiting_.empty()) {
        last_acknowledged_ = waiting_.front();
        waiting_.pop_front();
        ++acknowledged_;
      }
    }
  }

  uint64_t NumberOf(uint64_t seq) const {
    std::lock_guard lock(mutex_);
    size_t place = static_cast<size_t>(seq - acknowledged_ - 1);
    return place < waiting_.size() ? waiting_[place] : 0;
  }

  const Refused refused_;
  std::unique_ptr<v1::ControlService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::PublishStreamRequest, v1::PublishStreamResponse>> stream_;
  v1::PublishStreamRequest request_;
  size_t bytes_ = 0;
  uint64_t next_seq_ = 1;

  mutable std::mutex mutex_;
  std::deque<uint64_t> waiting_;  // the numbers of what is not acknowledged
  uint64_t acknowledged_ = 0;
  uint64_t last_acknowledged_ = 0;

  std::thread reader_;
};

BulkPublisher::BulkPublisher(const Remote& remote, Refused refused)
    : call_(std::make_unique<Call>(remote, std::move(refused))) {}
BulkPublisher::~BulkPublisher() = default;

bool BulkPublisher::Add(v1::PublishItem item, uint64_t number) {
  return call_->Add(std::move(item), number);
}
bool BulkPublisher::Flush() {
  return call_->Flush();
}
Status BulkPublisher::End() {
  return call_->End();
}
uint64_t BulkPublisher::acknowledged() const {
  return call_->acknowledged();
}
uint64_t BulkPublisher::last_acknowledged() const {
  return call_->last_acknowledged();
}

}  // namespace carillon::cli
