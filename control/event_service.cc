#include "control/event_service.h"

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "carillon/v1/events.grpc.pb.h"
#include "control/status_mapping.h"
#include "control/watch.h"

namespace carillon::control {
namespace {

// gRPC's side of a Watch. Nothing of it is counted here: this file is not instrumented for ThreadSanitizer.
class WatchCall final : public grpc::ServerBidiReactor<v1::WatchRequest, v1::WatchResponse>, public Watch::Call {
 public:
  WatchCall(ControlContext& context, const grpc::CallbackServerContext* call)
      : watch_(Watch::Begin(context, *call, *this)) {}

  // Watch::Call
  void Read(v1::WatchRequest* request) override { StartRead(request); }
  void Write(const v1::WatchResponse* response) override { StartWrite(response); }
  void Finish(const Status& status) override { ServerBidiReactor::Finish(ToGrpc(status)); }

  void OnReadDone(bool ok) override { watch_->OnRead(ok); }
  void OnWriteDone(bool ok) override { watch_->OnWritten(ok); }
  void OnCancel() override { watch_->OnCancel(); }
  void OnDone() override {
    watch_->OnDone();
    delete this;
  }

 private:
  Watch* const watch_;
};

class Service final : public v1::EventService::CallbackService {
 public:
  explicit Service(ControlContext& context) : context_(context) {}

  grpc::ServerBidiReactor<v1::WatchRequest, v1::WatchResponse>* Watch(grpc::CallbackServerContext* call) override {
    return new WatchCall(context_, call);
  }

 private:
  ControlContext& context_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeEventService(ControlContext& context) {
  return std::make_unique<Service>(context);
}

}  // namespace carillon::control
