#include "control/rooms.h"

#include <memory>
#include <optional>

#include "control/coverage.h"
#include "control/field_checks.h"
#include "gateway/hub/answers.h"

namespace carillon::control {
namespace {

struct RoomOrder {
  wire::Topic user;
  wire::Topic stream;
  std::optional<SessionId> only;
  auth::StreamAccess rule;
  size_t max_streams = 0;  // of the app
};

// Whether the app has as many streams as it may, and not this one. Shards that look at once, as for clients' own
// subscriptions, may each add one.
bool IsFull(const hub::Node& node, const RoomOrder& order) {
  return order.max_streams > 0 && node.StreamsOf(order.stream.app) >= order.max_streams &&
         node.Find(order.stream).sessions == 0;
}

template <class Request>
StatusOr<RoomOrder> Read(const Request& request, const Caller& caller) {
  RoomOrder order;
  RETURN_IF_ERROR(CheckUser("user_id", request.user_id()));
  RETURN_IF_ERROR(CheckStream("stream", request.stream()));
  ASSIGN_OR_RETURN(order.user,
                   caller.TopicOf(request.app(), wire::TopicKind::kUser, request.user_id(), request.stream()));
  ASSIGN_OR_RETURN(order.stream, caller.TopicOf(request.app(), wire::TopicKind::kStream, request.stream()));
  if (!request.session_id().empty()) {
    RETURN_IF_ERROR(CheckSession("session_id", request.session_id()));
    order.only = SessionId::Parse(request.session_id());
  }
  ASSIGN_OR_RETURN(const auth::App* app, caller.AppOf(request.app()));
  order.rule = app->catalogue.Find(order.stream.name);
  order.max_streams = app->max_streams;
  return order;
}

}  // namespace

Status SubscribeUser(hub::Node& node, const Caller& caller, const v1::SubscribeUserRequest& request,
                     v1::SubscribeUserResponse* response, absl::AnyInvocable<void(const Status&)> done) {
  ASSIGN_OR_RETURN(RoomOrder read, Read(request, caller));
  if (read.rule.reserved) return FieldError("stream", "is reserved (config: streams[].state)");
  auto order = std::make_shared<const RoomOrder>(std::move(read));
  node.Ask(
      node.ShardsFor(order->user),
      // Judged where it is done: calls that come together would else all see the same room.
      [order, &node](hub::Shard& shard) {
        bool full = IsFull(node, *order);
        return hub::SubscribeUser(shard, order->user, order->only, order->stream.name, order->rule, full);
      },
      [response, done = std::move(done)](const Gather<hub::RoomAnswer>::Result& result) mutable {
        for (const hub::RoomAnswer& answer : result.answers) {
          response->set_sessions(response->sessions() + answer.sessions);
          response->set_refused(response->refused() + answer.refused);
        }
        SetCoverage(result.partial, response);
        done(absl::OkStatus());
      });
  return absl::OkStatus();
}

Status UnsubscribeUser(hub::Node& node, const Caller& caller, const v1::UnsubscribeUserRequest& request,
                       v1::UnsubscribeUserResponse* response, absl::AnyInvocable<void(const Status&)> done) {
  ASSIGN_OR_RETURN(RoomOrder read, Read(request, caller));
  auto order = std::make_shared<const RoomOrder>(std::move(read));
  node.Ask(
      node.ShardsFor(order->user),
      [order](hub::Shard& shard) { return hub::UnsubscribeUser(shard, order->user, order->only, order->stream.name); },
      [response, done = std::move(done)](const Gather<uint32_t>::Result& result) mutable {
        for (uint32_t sessions : result.answers) response->set_sessions(response->sessions() + sessions);
        SetCoverage(result.partial, response);
        done(absl::OkStatus());
      });
  return absl::OkStatus();
}

}  // namespace carillon::control
