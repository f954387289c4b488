#include "gateway/hooks/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/channel_arguments.h>

#include <map>
#include <mutex>

namespace carillon::hooks {
namespace {

// A backend that came back is to be found soon; gRPC's own default is two minutes.
constexpr int kReconnectMs = 1000;

// A connection whose other end has vanished without a word is given up while calls wait on it.
constexpr int kKeepAliveMs = 10'000;
constexpr int kKeepAliveTimeoutMs = 5'000;

constexpr int kMaxResponseBytes = 1 << 20;

struct Call {
  grpc::ClientContext context;
  grpc::ByteBuffer request;
  grpc::ByteBuffer response;
};

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::string bytes;
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

}  // namespace

struct Channel::Calls {
  Calls(Owner& of, std::shared_ptr<grpc::Channel> channel, std::string secret)
      : owner(of), stub(std::move(channel)), key(std::move(secret)) {}

  Owner& owner;
  grpc::GenericStub stub;
  const std::string key;
  std::mutex mutex;
  std::map<uint64_t, std::shared_ptr<Call>> running;
};

Channel::Channel(Owner& owner, const std::string& address, const ChannelTls* tls, std::string key)
    : calls_([&] {
        grpc::ChannelArguments arguments;
        arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
        arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kReconnectMs);
        arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMs);
        arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepAliveMs);
        arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepAliveTimeoutMs);
        arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
        // Each backend has its own connections, also where two have one address.
        arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
        arguments.SetMaxReceiveMessageSize(kMaxResponseBytes);
        auto credentials = tls == nullptr ? grpc::InsecureChannelCredentials()
                                          : grpc::SslCredentials({tls->authorities, tls->key, tls->certificate});
        return std::make_shared<Calls>(owner, grpc::CreateCustomChannel(address, credentials, arguments),
                                       std::move(key));
      }()) {}

Channel::~Channel() = default;

void Channel::Start(uint64_t number, const char* method, const std::string& request,
                    std::chrono::milliseconds deadline) {
  auto call = std::make_shared<Call>();
  call->context.set_deadline(std::chrono::system_clock::now() + deadline);
  if (!calls_->key.empty()) call->context.AddMetadata("authorization", "Bearer " + calls_->key);
  grpc::Slice slice(request);
  call->request = grpc::ByteBuffer(&slice, 1);
  {
    std::lock_guard lock(calls_->mutex);
    calls_->running[number] = call;
  }
  Call& borrowed = *call;
  calls_->stub.UnaryCall(&borrowed.context, method, grpc::StubOptions(), &borrowed.request, &borrowed.response,
                         [calls = calls_, call = std::move(call), number](const grpc::Status& status) {
                           {
                             std::lock_guard lock(calls->mutex);
                             calls->running.erase(number);
                           }
                           calls->owner.OnEnd(number, status.error_code(),
                                              status.ok() ? BytesOf(call->response) : std::string());
                         });
}

void Channel::Cancel(uint64_t number) {
  std::shared_ptr<Call> call;
  {
    std::lock_guard lock(calls_->mutex);
    auto it = calls_->running.find(number);
    if (it != calls_->running.end()) call = it->second;
  }
  if (call != nullptr) call->context.TryCancel();
}

}  // namespace carillon::hooks
