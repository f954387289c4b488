#include "control/control_service.h"

#include <carillon/v1/control.grpc.pb.h>
#include <grpcpp/support/server_callback.h>

#include "control/caller_auth.h"
#include "control/denials.h"
#include "control/history.h"
#include "control/publish_stream.h"
#include "control/status_mapping.h"
#include "control/subscribers.h"
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

class Service final : public v1::ControlService::CallbackService {
 public:
  explicit Service(ControlContext& context) : context_(context) {}

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
    ServerUnaryReactor* reactor = call->DefaultReactor();
    if (Status status = Admit(call, auth::Verb::kAdmin); !status.ok()) return Finish(reactor, status);
    StatusOr<KickOrder> order = ReadKick(*request);
    if (!order.ok()) return Finish(reactor, order.status());
    log::Info("control", "kick",
              {{"key", CallerName(*call, context_.keys)},
               {KickedBy(*request), order->topic.name},
               {"code", static_cast<int>(order->code)}});
    context_.node.Ask(
        context_.node.ShardsFor(order->topic),
        [order = *order](hub::Shard& shard) { return hub::KickMembers(shard, order.topic, order.code, order.reason); },
        [reactor, response, running = context_.running.Begin()](const Gather<uint32_t>::Result& result) {
          uint32_t total = 0;
          for (uint32_t count : result.answers) total += count;
          response->set_sessions(total);
          response->set_partial(result.partial);
          reactor->Finish(grpc::Status::OK);
        });
    return reactor;
  }

  ServerUnaryReactor* Subscribers(CallbackServerContext* call, const v1::SubscribersRequest* request,
                                  v1::SubscribersResponse* response) override {
    ServerUnaryReactor* reactor = call->DefaultReactor();
    if (Status status = Admit(call, auth::Verb::kRead); !status.ok()) return Finish(reactor, status);
    Status asked = ListSubscribers(context_.node, *request, response, WhenDone(reactor));
    return asked.ok() ? reactor : Finish(reactor, asked);
  }

  ServerUnaryReactor* CountSubscribers(CallbackServerContext* call, const v1::CountSubscribersRequest* request,
                                       v1::CountSubscribersResponse* response) override {
    ServerUnaryReactor* reactor = call->DefaultReactor();
    if (Status status = Admit(call, auth::Verb::kRead); !status.ok()) return Finish(reactor, status);
    StatusOr<wire::Topic> topic = ReadCount(*request);
    if (topic.ok()) response->set_sessions(context_.node.Find(*topic).sessions);
    return Finish(reactor, topic.status());
  }

  ServerUnaryReactor* ListMessages(CallbackServerContext* call, const v1::ListMessagesRequest* request,
                                   v1::ListMessagesResponse* response) override {
    ServerUnaryReactor* reactor = call->DefaultReactor();
    if (Status status = Admit(call, auth::Verb::kRead); !status.ok()) return Finish(reactor, status);
    return Finish(reactor, control::ListMessages(context_.node.engine(), *request, response));
  }

  ServerUnaryReactor* ClearMessages(CallbackServerContext* call, const v1::ClearMessagesRequest* request,
                                    v1::ClearMessagesResponse* response) override {
    ServerUnaryReactor* reactor = call->DefaultReactor();
    if (Status status = Admit(call, auth::Verb::kAdmin); !status.ok()) return Finish(reactor, status);
    StatusOr<wire::Topic> topic = control::ClearMessages(context_.node.engine(), *request, response);
    if (!topic.ok()) return Finish(reactor, topic.status());
    log::Info("control", "cleared a log",
              {{"key", CallerName(*call, context_.keys)},
               {topic->kind == wire::TopicKind::kUser ? "user" : "stream", topic->name},
               {"messages", response->messages()}});
    return Finish(reactor, absl::OkStatus());
  }

  ServerUnaryReactor* RevokeTokens(CallbackServerContext* call, const v1::RevokeTokensRequest* request,
                                   v1::RevokeTokensResponse* response) override {
    ServerUnaryReactor* reactor = call->DefaultReactor();
    if (Status status = Admit(call, auth::Verb::kAdmin); !status.ok()) return Finish(reactor, status);
    std::string key = CallerName(*call, context_.keys);  // the call may be over before we are
    std::string user = request->user_id();
    std::string token_id = request->token_id();
    Status asked = control::RevokeTokens(context_.node, context_.tokens, *request, response, WhenDone(reactor));
    if (!asked.ok()) return Finish(reactor, asked);
    log::Info("control", "revoked tokens", {{"key", key}, {"user", user}, {"token_id", token_id}});
    return reactor;
  }

  ServerUnaryReactor* BlockUser(CallbackServerContext* call, const v1::BlockUserRequest* request,
                                v1::BlockUserResponse* response) override {
    ServerUnaryReactor* reactor = call->DefaultReactor();
    if (Status status = Admit(call, auth::Verb::kAdmin); !status.ok()) return Finish(reactor, status);
    std::string key = CallerName(*call, context_.keys);  // the call may be over before we are
    v1::BlockUserRequest copy = *request;
    Status asked = control::BlockUser(context_.node, context_.tokens, *request, response, WhenDone(reactor));
    if (!asked.ok()) return Finish(reactor, asked);
    log::Info("control", "blocked a user",
              {{"key", key},
               {"user", copy.user_id()},
               {"seconds", copy.has_duration() ? std::to_string(copy.duration().seconds()) : "for good"},
               {"why", copy.reason()}});
    return reactor;
  }

  ServerUnaryReactor* UnblockUser(CallbackServerContext* call, const v1::UnblockUserRequest* request,
                                  v1::UnblockUserResponse* response) override {
    ServerUnaryReactor* reactor = call->DefaultReactor();
    if (Status status = Admit(call, auth::Verb::kAdmin); !status.ok()) return Finish(reactor, status);
    Status done = control::UnblockUser(context_.tokens, *request, response);
    if (done.ok()) {
      log::Info("control", "unblocked a user",
                {{"key", CallerName(*call, context_.keys)},
                 {"user", request->user_id()},
                 {"was_blocked", response->was_blocked() ? "yes" : "no"}});
    }
    return Finish(reactor, done);
  }

  ServerUnaryReactor* ListBlockedUsers(CallbackServerContext* call, const v1::ListBlockedUsersRequest* request,
                                       v1::ListBlockedUsersResponse* response) override {
    ServerUnaryReactor* reactor = call->DefaultReactor();
    if (Status status = Admit(call, auth::Verb::kRead); !status.ok()) return Finish(reactor, status);
    return Finish(reactor, control::ListBlockedUsers(context_.tokens, *request, response));
  }

 private:
  // For verbs that answer later.
  absl::AnyInvocable<void()> WhenDone(ServerUnaryReactor* reactor) {
    return [reactor, running = context_.running.Begin()] { reactor->Finish(grpc::Status::OK); };
  }

  Status Admit(const CallbackServerContext* call, auth::Verb verb) const {
    if (context_.stopping.load(std::memory_order_relaxed))
      return absl::UnavailableError("the gateway is shutting down");
    Status status = CheckCaller(*call, context_.keys, verb);
    if (!status.ok()) context_.refusals.Add(status, CallerName(*call, context_.keys));
    return status;
  }

  static ServerUnaryReactor* Finish(ServerUnaryReactor* reactor, const Status& status) {
    reactor->Finish(ToGrpc(status));
    return reactor;
  }

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
    if (Status status = Admit(call, auth::Verb::kPublish); !status.ok()) return Finish(reactor, status);
    if (request.options().report()) return PublishAndReport(reactor, request, response);
    StatusOr<Outcome> outcome = context_.publisher.Publish(request);
    if (outcome.ok()) Fill(*outcome, response);
    return Finish(reactor, outcome.status());
  }

  // The receipt and the report are known in either order, on different threads; whoever is second answers.
  template <class Request, class Response>
  ServerUnaryReactor* PublishAndReport(ServerUnaryReactor* reactor, const Request& request, Response* response) {
    auto known = std::make_shared<std::atomic<int>>(0);
    auto report = std::make_shared<v1::DeliveryReport>();
    auto finish = [known, report, reactor, response, running = context_.running.Begin()] {
      if (known->fetch_add(1, std::memory_order_acq_rel) == 0) return;
      if (!response->receipt().duplicate()) response->mutable_receipt()->mutable_report()->Swap(report.get());
      reactor->Finish(grpc::Status::OK);
    };
    StatusOr<Outcome> outcome = context_.publisher.Publish(request, [report, finish](const v1::DeliveryReport& counts) {
      *report = counts;
      finish();
    });
    if (!outcome.ok()) return Finish(reactor, outcome.status());
    Fill(*outcome, response);
    finish();
    return reactor;
  }

  ControlContext& context_;
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
