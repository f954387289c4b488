#include "control/control_service.h"

#include <carillon/v1/control.grpc.pb.h>
#include <grpcpp/support/server_callback.h>

#include "control/caller.h"
#include "control/coverage.h"
#include "control/denials.h"
#include "control/history.h"
#include "control/presence.h"
#include "control/publish_stream.h"
#include "control/requests.h"
#include "control/rooms.h"
#include "control/status_mapping.h"
#include "control/subscribers.h"
#include "control/unary_calls.h"
#include "gateway/base/log.h"
#include "gateway/hub/answers.h"

namespace carillon::control {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

// By what a log calls those who are kicked.
std::string_view KickedBy(const v1::KickRequest& request) {
  if (request.has_session_id()) return "session";
  return request.has_user_id() ? "user" : "stream";
}

class Service final : public v1::ControlService::CallbackService, private UnaryCalls {
 public:
  explicit Service(ControlContext& context) : UnaryCalls(context) {}

  ServerUnaryReactor* BroadcastToUser(CallbackServerContext* call, const v1::BroadcastToUserRequest* request,
                                      v1::BroadcastToUserResponse* response) override {
    return Publish(call, *request, response);
  }

  ServerUnaryReactor* BroadcastToUsers(CallbackServerContext* call, const v1::BroadcastToUsersRequest* request,
                                       v1::BroadcastToUsersResponse* response) override {
    return Publish(call, *request, response);
  }

  ServerUnaryReactor* BroadcastStream(CallbackServerContext* call, const v1::BroadcastStreamRequest* request,
                                      v1::BroadcastStreamResponse* response) override {
    return Publish(call, *request, response);
  }

  ServerUnaryReactor* BroadcastAll(CallbackServerContext* call, const v1::BroadcastAllRequest* request,
                                   v1::BroadcastAllResponse* response) override {
    return Publish(call, *request, response);
  }

  ServerUnaryReactor* SendToSession(CallbackServerContext* call, const v1::SendToSessionRequest* request,
                                    v1::SendToSessionResponse* response) override {
    return Publish(call, *request, response);
  }

  grpc::ServerBidiReactor<v1::PublishStreamRequest, v1::PublishStreamResponse>* PublishStream(
      CallbackServerContext* call) override {
    return MakePublishStream(context_, call, Admit(call, auth::Verb::kPublish));
  }

  ServerUnaryReactor* Kick(CallbackServerContext* call, const v1::KickRequest* request,
                           v1::KickResponse* response) override {
    return AnswerLater(call, auth::Verb::kAdmin, [&](const Caller& caller, Done done) -> Status {
      ASSIGN_OR_RETURN(KickOrder order, ReadKick(*request, caller));
      log::Info("control", "kick",
                {{"key", caller.name()},
                 {KickedBy(*request), order.topic.name},
                 {"app", AppName(caller, request->app())},
                 {"code", static_cast<int>(order.code)}});
      if (order.topic.kind == wire::TopicKind::kUser) {
        context_.node.engine().presence().EndGrace(order.topic.app, order.topic.name);
      }
      context_.node.Ask(
          context_.node.ShardsFor(order.topic),
          [order](hub::Shard& shard) { return hub::KickMembers(shard, order.topic, order.code, order.reason); },
          [response, done = std::move(done)](const Gather<uint32_t>::Result& result) mutable {
            uint32_t total = 0;
            for (uint32_t count : result.answers) total += count;
            response->set_sessions(total);
            SetCoverage(result.partial, response);
            done(absl::OkStatus());
          });
      return absl::OkStatus();
    });
  }

  ServerUnaryReactor* SubscribeUser(CallbackServerContext* call, const v1::SubscribeUserRequest* request,
                                    v1::SubscribeUserResponse* response) override {
    return AnswerLater(call, auth::Verb::kAdmin, [&](const Caller& caller, Done done) {
      return control::SubscribeUser(context_.node, caller, *request, response, std::move(done));
    });
  }

  ServerUnaryReactor* UnsubscribeUser(CallbackServerContext* call, const v1::UnsubscribeUserRequest* request,
                                      v1::UnsubscribeUserResponse* response) override {
    return AnswerLater(call, auth::Verb::kAdmin, [&](const Caller& caller, Done done) {
      return control::UnsubscribeUser(context_.node, caller, *request, response, std::move(done));
    });
  }

  ServerUnaryReactor* Subscribers(CallbackServerContext* call, const v1::SubscribersRequest* request,
                                  v1::SubscribersResponse* response) override {
    return AnswerLater(call, auth::Verb::kRead, [&](const Caller& caller, Done done) {
      return ListSubscribers(context_.node, caller, *request, response, std::move(done));
    });
  }

  ServerUnaryReactor* CountSubscribers(CallbackServerContext* call, const v1::CountSubscribersRequest* request,
                                       v1::CountSubscribersResponse* response) override {
    return Answer(call, auth::Verb::kRead, [&](const Caller& caller) -> Status {
      ASSIGN_OR_RETURN(wire::Topic topic, ReadCount(*request, caller));
      response->set_sessions(context_.node.Find(topic).sessions);
      SetCoverage(false, response);
      return absl::OkStatus();
    });
  }

  ServerUnaryReactor* GetPresence(CallbackServerContext* call, const v1::GetPresenceRequest* request,
                                  v1::GetPresenceResponse* response) override {
    return Answer(call, auth::Verb::kRead, [&](const Caller& caller) {
      return control::GetPresence(context_.node.engine(), caller, *request, response);
    });
  }

  ServerUnaryReactor* ListMessages(CallbackServerContext* call, const v1::ListMessagesRequest* request,
                                   v1::ListMessagesResponse* response) override {
    return Answer(call, auth::Verb::kRead, [&](const Caller& caller) {
      return control::ListMessages(context_.node.engine(), caller, *request, response);
    });
  }

  ServerUnaryReactor* ClearMessages(CallbackServerContext* call, const v1::ClearMessagesRequest* request,
                                    v1::ClearMessagesResponse* response) override {
    return Answer(call, auth::Verb::kAdmin, [&](const Caller& caller) -> Status {
      ASSIGN_OR_RETURN(wire::Topic topic, control::ClearMessages(context_.node.engine(), caller, *request, response));
      log::Info("control", "cleared a log",
                {{"key", caller.name()},
                 {topic.kind == wire::TopicKind::kUser ? "user" : "stream", topic.name},
                 {"app", AppName(caller, request->app())},
                 {"messages", response->messages()}});
      return absl::OkStatus();
    });
  }

  ServerUnaryReactor* RevokeTokens(CallbackServerContext* call, const v1::RevokeTokensRequest* request,
                                   v1::RevokeTokensResponse* response) override {
    return AnswerLater(call, auth::Verb::kAdmin, [&](const Caller& caller, Done done) -> Status {
      v1::RevokeTokensRequest copy = *request;  // the call may be over before we are
      RETURN_IF_ERROR(control::RevokeTokens(context_.node, caller, copy, response, std::move(done)));
      log::Info("control", "revoked tokens",
                {{"key", caller.name()},
                 {"user", copy.user_id()},
                 {"token_id", copy.token_id()},
                 {"app", AppName(caller, copy.app())}});
      return absl::OkStatus();
    });
  }

  ServerUnaryReactor* BlockUser(CallbackServerContext* call, const v1::BlockUserRequest* request,
                                v1::BlockUserResponse* response) override {
    return AnswerLater(call, auth::Verb::kAdmin, [&](const Caller& caller, Done done) -> Status {
      v1::BlockUserRequest copy = *request;  // the call may be over before we are
      RETURN_IF_ERROR(control::BlockUser(context_.node, caller, copy, response, std::move(done)));
      log::Info("control", "blocked a user",
                {{"key", caller.name()},
                 {"user", copy.user_id()},
                 {"app", AppName(caller, copy.app())},
                 {"seconds", copy.has_duration() ? std::to_string(copy.duration().seconds()) : "for good"},
                 {"why", copy.reason()}});
      return absl::OkStatus();
    });
  }

  ServerUnaryReactor* UnblockUser(CallbackServerContext* call, const v1::UnblockUserRequest* request,
                                  v1::UnblockUserResponse* response) override {
    return Answer(call, auth::Verb::kAdmin, [&](const Caller& caller) -> Status {
      RETURN_IF_ERROR(control::UnblockUser(caller, *request, response));
      log::Info("control", "unblocked a user",
                {{"key", caller.name()},
                 {"user", request->user_id()},
                 {"app", AppName(caller, request->app())},
                 {"was_blocked", response->was_blocked() ? "yes" : "no"}});
      return absl::OkStatus();
    });
  }

  ServerUnaryReactor* ListBlockedUsers(CallbackServerContext* call, const v1::ListBlockedUsersRequest* request,
                                       v1::ListBlockedUsersResponse* response) override {
    return Answer(call, auth::Verb::kRead,
                  [&](const Caller& caller) { return control::ListBlockedUsers(caller, *request, response); });
  }

 private:
  static void Fill(const Outcome& outcome, v1::BroadcastToUsersResponse* response) {
    *response->mutable_receipt() = outcome.receipt;
    response->set_users(outcome.topics_reached);
  }
  template <class Response>
  static void Fill(const Outcome& outcome, Response* response) {
    *response->mutable_receipt() = outcome.receipt;
  }

  template <class Request, class Response>
  ServerUnaryReactor* Publish(CallbackServerContext* call, const Request& request, Response* response) {
    ServerUnaryReactor* reactor = call->DefaultReactor();
    auto caller = Admit(call, auth::Verb::kPublish);
    if (!caller.ok()) return Finish(reactor, caller.status());
    if (request.options().report()) return PublishAndReport(reactor, request, **caller, response);
    StatusOr<Outcome> outcome = context_.publisher.Publish(request, **caller);
    if (outcome.ok()) Fill(*outcome, response);
    return Finish(reactor, **caller, outcome.status());
  }

  // The receipt and the report are known in either order, on different threads; whoever is second answers.
  template <class Request, class Response>
  ServerUnaryReactor* PublishAndReport(ServerUnaryReactor* reactor, const Request& request, const Caller& caller,
                                       Response* response) {
    auto known = std::make_shared<std::atomic<int>>(0);
    auto report = std::make_shared<v1::DeliveryReport>();
    auto finish = [known, report, reactor, response, running = context_.running.Begin()] {
      if (known->fetch_add(1, std::memory_order_acq_rel) == 0) return;
      if (!response->receipt().duplicate()) response->mutable_receipt()->mutable_report()->Swap(report.get());
      reactor->Finish(grpc::Status::OK);
    };
    StatusOr<Outcome> outcome =
        context_.publisher.Publish(request, caller, [report, finish](const v1::DeliveryReport& counts) {
          *report = counts;
          finish();
        });
    if (!outcome.ok()) return Finish(reactor, caller, outcome.status());
    Fill(*outcome, response);
    finish();
    return reactor;
  }
};

}  // namespace

std::shared_ptr<void> RunningCalls::Begin() {
  std::lock_guard lock(mutex_);
  ++running_;
  return {nullptr, [this](void*) {
            std::lock_guard lock(mutex_);
            if (--running_ == 0) none_.notify_all();
          }};
}

bool RunningCalls::WaitForNone(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return none_.wait_until(lock, deadline, [this] { return running_ == 0; });
}

void Refusals::Add(const Status& status, std::string_view key) {
  bool known = status.code() == absl::StatusCode::kPermissionDenied;
  (known ? permission_denied_ : unauthenticated_).Add();
  uint64_t suppressed = 0;
  if (!sampler_.Allow(absl::StatusCodeToString(status.code()), &suppressed)) return;
  log::Warn("control", "refused a call", {{"why", MessageOf(status)}, {"key", key}, {"suppressed", suppressed}});
}

void Refusals::Collect(MetricsWriter& writer) const {
  auto write = [&writer](const char* code, const SharedCounter& counter) {
    writer.Counter("carillon_control_refused_total", "Calls whose key was not good enough, by status.", counter.value(),
                   {{"code", code}});
  };
  write("unauthenticated", unauthenticated_);
  write("permission_denied", permission_denied_);
}

std::unique_ptr<grpc::Service> MakeControlService(ControlContext& context) {
  return std::make_unique<Service>(context);
}

}  // namespace carillon::control
