#include "tools/cli/bench_publisher.h"

#include <carillon/v1/control.grpc.pb.h>
#include <grpcpp/create_channel.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <thread>

#include "gateway/dialect/native.h"
#include "tools/cli/bench_client.h"

namespace carillon::cli {
namespace {

constexpr uint64_t kItemsPerRequest = 64;
constexpr char kEventName[] = "tick";

class GatewayPublisher final : public BenchPublisher {
 public:
  GatewayPublisher(const std::string& control, const std::string& key, std::string stream, size_t payload_bytes)
      : control_(control), stream_(std::move(stream)), payload_bytes_(payload_bytes) {
    stub_ = v1::ControlService::NewStub(grpc::CreateChannel(control, grpc::InsecureChannelCredentials()));
    if (!key.empty()) context_.AddMetadata("authorization", "Bearer " + key);
    call_ = stub_->PublishStream(&context_);
    acks_ = std::thread([this] {
      v1::PublishStreamResponse ack;
      while (call_->Read(&ack)) failures_ += ack.failures_size();
    });
  }

  ~GatewayPublisher() override {
    if (acks_.joinable()) End();
  }

  Status Publish(uint64_t first, uint64_t count, int64_t due_ns) override {
    for (uint64_t done = 0; done < count;) {
      uint64_t items = std::min(count - done, kItemsPerRequest);
      request_.clear_items();
      request_.set_seq(next_seq_);
      for (uint64_t i = 0; i < items; ++i) {
        auto* broadcast = request_.add_items()->mutable_broadcast_stream();
        broadcast->set_stream(stream_);
        broadcast->mutable_event()->set_name(kEventName);
        broadcast->mutable_event()->set_json(MakePayload(first + done + i, due_ns, payload_bytes_));
      }
      next_seq_ += items;
      done += items;
      if (!call_->Write(request_)) {
        grpc::Status ended = End();
        return FailedPrecondition("cannot publish to {}: {} (gRPC status {})", control_, ended.error_message(),
                                  static_cast<int>(ended.error_code()));
      }
    }
    if (failures_ > 0) return FailedPrecondition("the gateway refused {} messages", failures_.load());
    return absl::OkStatus();
  }

 private:
  grpc::Status End() {
    call_->WritesDone();
    acks_.join();
    return call_->Finish();
  }

  const std::string control_;
  const std::string stream_;
  const size_t payload_bytes_;
  std::unique_ptr<v1::ControlService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::PublishStreamRequest, v1::PublishStreamResponse>> call_;
  v1::PublishStreamRequest request_;
  uint64_t next_seq_ = 1;
  std::atomic<int> failures_{0};
  std::thread acks_;
};

class FloorPublisher final : public BenchPublisher {
 public:
  FloorPublisher(int descriptor, const std::string& stream, size_t payload_bytes)
      : descriptor_(descriptor), payload_bytes_(payload_bytes) {
    // An id and a time as long as the gateway's: the loop must send as many bytes.
    envelope_.set_id("00000000-0000000000");
    envelope_.set_stream(stream);
    envelope_.set_event(kEventName);
    envelope_.mutable_time()->set_seconds(std::time(nullptr));
  }
  ~FloorPublisher() override { ::close(descriptor_); }

  Status Publish(uint64_t first, uint64_t count, int64_t due_ns) override {
    std::string bytes;
    for (uint64_t i = 0; i < count; ++i) {
      envelope_.set_json(MakePayload(first + i, due_ns, payload_bytes_));
      dialect::NativeDialect::AppendEnvelope(envelope_, bytes);
    }
    for (size_t sent = 0; sent < bytes.size();) {
      ssize_t now = ::send(descriptor_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (now <= 0) return absl::UnavailableError("the bare loop is gone");
      sent += static_cast<size_t>(now);
    }
    return absl::OkStatus();
  }

 private:
  const int descriptor_;
  const size_t payload_bytes_;
  v1::Envelope envelope_;
};

}  // namespace

std::unique_ptr<BenchPublisher> PublishToGateway(const std::string& control, const std::string& key,
                                                 const std::string& stream, size_t payload_bytes) {
  return std::make_unique<GatewayPublisher>(control, key, stream, payload_bytes);
}

StatusOr<std::unique_ptr<BenchPublisher>> PublishToFloor(const std::string& address, const std::string& stream,
                                                         size_t payload_bytes) {
  ASSIGN_OR_RETURN(int descriptor, ConnectTcp(address));
  return std::unique_ptr<BenchPublisher>(new FloorPublisher(descriptor, stream, payload_bytes));
}

}  // namespace carillon::cli
