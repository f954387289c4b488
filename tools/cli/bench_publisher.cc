#include "tools/cli/bench_publisher.h"

#include <arpa/inet.h>
#include <carillon/v1/control.grpc.pb.h>
#include <grpcpp/create_channel.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
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
      : stream_(std::move(stream)), payload_bytes_(payload_bytes) {
    stub_ = v1::ControlService::NewStub(grpc::CreateChannel(control, grpc::InsecureChannelCredentials()));
    if (!key.empty()) context_.AddMetadata("authorization", "Bearer " + key);
    call_ = stub_->PublishStream(&context_);
    acks_ = std::thread([this] {
      v1::PublishStreamResponse ack;
      while (call_->Read(&ack)) failures_ += ack.failures_size();
    });
  }

  ~GatewayPublisher() override {
    call_->WritesDone();
    acks_.join();
    call_->Finish();
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
      if (!call_->Write(request_)) return absl::UnavailableError("the gateway ended the stream");
    }
    if (failures_ > 0) return FailedPrecondition("the gateway refused {} messages", failures_.load());
    return absl::OkStatus();
  }

 private:
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
  sockaddr_in to{};
  to.sin_family = AF_INET;
  size_t colon = address.rfind(':');
  ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  to.sin_port = htons(static_cast<uint16_t>(std::atoi(address.c_str() + colon + 1)));
  int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(descriptor, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
    ::close(descriptor);
    return FailedPrecondition("cannot connect to {}: {}", address, std::strerror(errno));
  }
  int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return std::unique_ptr<BenchPublisher>(new FloorPublisher(descriptor, stream, payload_bytes));
}

}  // namespace carillon::cli
