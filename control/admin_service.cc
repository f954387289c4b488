#include "control/admin_service.h"

#include <carillon/v1/admin.grpc.pb.h>
#include <grpcpp/support/server_callback.h>

#include "control/nodes.h"
#include "control/sessions.h"
#include "control/status_mapping.h"
#include "control/streams.h"
#include "control/tail.h"
#include "control/unary_calls.h"

namespace carillon::control {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

void Fill(const Operations::SettingChange& change, v1::SettingChange* to) {
  to->set_setting(change.path);
  to->set_from(change.from);
  to->set_to(change.to);
}

// gRPC's side of a Tail. Nothing of it is counted here: this file is not instrumented for ThreadSanitizer.
class TailCall final : public grpc::ServerWriteReactor<v1::TailResponse>, public Tail::Call {
 public:
  TailCall(ControlContext& context, const CallbackServerContext* call, const v1::TailRequest& request)
      : call_(*call), tail_(Tail::Begin(context, *call, request, *this)) {}

  // Tail::Call
  void Write(const v1::TailResponse* response) override { StartWrite(response); }
  void Finish(const Status& status) override { ServerWriteReactor::Finish(ToGrpc(status)); }
  void Cut() override { call_.TryCancel(); }

  void OnWriteDone(bool ok) override { tail_->OnWritten(ok); }
  void OnCancel() override { tail_->OnCancel(); }
  void OnDone() override {
    tail_->OnDone();
    delete this;
  }

 private:
  const CallbackServerContext& call_;
  Tail* const tail_;
};

class Service final : public v1::AdminService::CallbackService, private UnaryCalls {
 public:
  explicit Service(ControlContext& context) : UnaryCalls(context) {}

  ServerUnaryReactor* ListSessions(CallbackServerContext* call, const v1::ListSessionsRequest* request,
                                   v1::ListSessionsResponse* response) override {
    return AnswerLater(call, auth::Verb::kRead, [&](const Caller& caller, Done done) {
      return control::ListSessions(context_.node, caller, *request, response, std::move(done));
    });
  }

  ServerUnaryReactor* GetSession(CallbackServerContext* call, const v1::GetSessionRequest* request,
                                 v1::GetSessionResponse* response) override {
    return AnswerLater(call, auth::Verb::kRead, [&](const Caller& caller, Done done) {
      return control::GetSession(context_, caller, *request, response, std::move(done));
    });
  }

  ServerUnaryReactor* TopSlow(CallbackServerContext* call, const v1::TopSlowRequest* request,
                              v1::TopSlowResponse* response) override {
    return AnswerLater(call, auth::Verb::kRead, [&](const Caller& caller, Done done) {
      return control::TopSlow(context_.node, caller, *request, response, std::move(done));
    });
  }

  ServerUnaryReactor* ListStreams(CallbackServerContext* call, const v1::ListStreamsRequest* request,
                                  v1::ListStreamsResponse* response) override {
    return Answer(call, auth::Verb::kRead, [&](const Caller& caller) {
      return control::ListStreams(context_.node, caller, *request, response);
    });
  }

  ServerUnaryReactor* GetStream(CallbackServerContext* call, const v1::GetStreamRequest* request,
                                v1::GetStreamResponse* response) override {
    return Answer(call, auth::Verb::kRead,
                  [&](const Caller& caller) { return control::GetStream(context_.node, caller, *request, response); });
  }

  ServerUnaryReactor* ListNodes(CallbackServerContext* call, const v1::ListNodesRequest*,
                                v1::ListNodesResponse* response) override {
    return AnswerLater(call, auth::Verb::kRead, [&](const Caller& caller, Done done) {
      return control::ListNodes(context_, caller, response, std::move(done));
    });
  }

  ServerUnaryReactor* Drain(CallbackServerContext* call, const v1::DrainRequest* request,
                            v1::DrainResponse* response) override {
    return AnswerLater(call, auth::Verb::kAdmin, [&](const Caller& caller, Done done) {
      return control::Drain(context_, caller, *request, response, std::move(done));
    });
  }

  grpc::ServerWriteReactor<v1::TailResponse>* Tail(CallbackServerContext* call,
                                                   const v1::TailRequest* request) override {
    return new TailCall(context_, call, *request);
  }

  ServerUnaryReactor* Reload(CallbackServerContext* call, const v1::ReloadRequest*,
                             v1::ReloadResponse* response) override {
    return AnswerLater(call, auth::Verb::kAdmin, [&](const Caller& caller, Done done) {
      RETURN_IF_ERROR(caller.CheckEverything());
      context_.operations.Reload(caller.name(), [response, done = std::move(done)](auto reloaded) mutable {
        if (absl::IsUnavailable(reloaded.status())) return done(reloaded.status());
        if (!reloaded.ok()) return done(WithReason(reloaded.status(), "CONFIG_INVALID"));
        for (const auto& change : reloaded->now) Fill(change, response->add_changed());
        for (const auto& change : reloaded->after_restart) Fill(change, response->add_need_restart());
        done(absl::OkStatus());
      });
      return absl::OkStatus();
    });
  }

  ServerUnaryReactor* GetConfig(CallbackServerContext* call, const v1::GetConfigRequest*,
                                v1::GetConfigResponse* response) override {
    return AnswerLater(call, auth::Verb::kAdmin, [&](const Caller& caller, Done done) {
      RETURN_IF_ERROR(caller.CheckEverything());
      context_.operations.DescribeConfig([response, done = std::move(done)](std::string yaml) mutable {
        response->set_yaml(std::move(yaml));
        done(absl::OkStatus());
      });
      return absl::OkStatus();
    });
  }
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAdminService(ControlContext& context) {
  return std::make_unique<Service>(context);
}

}  // namespace carillon::control
