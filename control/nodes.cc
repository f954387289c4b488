#include "control/nodes.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>

#include "control/coverage.h"

namespace carillon::control {
namespace {

using google::protobuf::util::TimeUtil;
using std::chrono::milliseconds;
using Place = Operations::DrainPlace;
using Standing = Operations::DrainStanding;

// As config.drain has it.
constexpr milliseconds kLongestWindow = std::chrono::hours(1);
constexpr milliseconds kLongestDelay = std::chrono::minutes(10);

void Fill(const Standing& standing, v1::DrainStatus* status) {
  switch (standing.place.kind) {
    case Place::Kind::kNode:
      status->set_node(true);
      break;
    case Place::Kind::kApp:
      status->set_app_name(standing.place.name);
      break;
    case Place::Kind::kEndpoint:
      status->set_endpoint(standing.place.name);
      break;
  }
  status->set_state(v1::DRAIN_STATE_SERVING);
  if (!standing.draining) return;
  status->set_state(standing.all_told ? v1::DRAIN_STATE_DRAINED : v1::DRAIN_STATE_DRAINING);
  status->set_sessions(standing.sessions);
  *status->mutable_begin_time() = TimeUtil::MillisecondsToTimestamp(
      std::chrono::duration_cast<milliseconds>(standing.began.time_since_epoch()).count());
  status->set_asked_by(standing.by);
  status->set_exit(standing.exit);
}

v1::HookBreaker BreakerOf(hooks::Breaker::State state) {
  switch (state) {
    case hooks::Breaker::State::kClosed:
      return v1::HOOK_BREAKER_CLOSED;
    case hooks::Breaker::State::kProbing:
      return v1::HOOK_BREAKER_PROBING;
    case hooks::Breaker::State::kOpen:
      return v1::HOOK_BREAKER_OPEN;
  }
  return v1::HOOK_BREAKER_UNSPECIFIED;
}

void Fill(const hooks::BackendState& state, v1::HookStatus* status) {
  status->set_name(state.name);
  status->set_address(state.address);
  status->set_breaker(BreakerOf(state.breaker));
  status->set_pending(state.pending);
  status->set_answered(state.answered);
  status->set_unanswered(state.unanswered);
  status->set_shed(state.shed);
}

Status ReadDuration(std::string_view field, const google::protobuf::Duration& duration, milliseconds most,
                    std::optional<milliseconds>* out) {
  int64_t seconds = duration.seconds();
  bool sound =
      seconds >= 0 && duration.nanos() >= 0 && duration.nanos() < 1'000'000'000 && seconds <= most.count() / 1000;
  milliseconds value(sound ? TimeUtil::DurationToMilliseconds(duration) : 0);
  if (!sound || value > most) return FieldError(field, fmt::format("0 to {} s", most.count() / 1000));
  *out = value;
  return absl::OkStatus();
}

StatusOr<Place> ReadPlace(const v1::DrainRequest& request, const Caller& caller) {
  Place place;
  switch (request.target_case()) {
    case v1::DrainRequest::kNode:
      if (!request.node()) return FieldError("node", "must be true");
      RETURN_IF_ERROR(caller.CheckEverything());
      return place;
    case v1::DrainRequest::kAppName: {
      if (request.app_name().empty()) return FieldError("app_name", "a name is needed");
      RETURN_IF_ERROR(caller.CheckAllStreams());
      ASSIGN_OR_RETURN(const auth::App* app, caller.AppOf(request.app_name()));
      place.kind = Place::Kind::kApp;
      place.name = app->name;
      place.app = app->id;
      return place;
    }
    case v1::DrainRequest::kEndpoint:
      if (request.endpoint().empty()) return FieldError("endpoint", "a path is needed");
      RETURN_IF_ERROR(caller.CheckEverything());
      place.kind = Place::Kind::kEndpoint;
      place.name = request.endpoint();
      return place;
    case v1::DrainRequest::TARGET_NOT_SET:
      break;
  }
  return FieldError("target", "say what to drain: node, app_name or endpoint");
}

StatusOr<Operations::DrainOrder> Read(const v1::DrainRequest& request, const Caller& caller) {
  Operations::DrainOrder order;
  ASSIGN_OR_RETURN(order.place, ReadPlace(request, caller));
  order.undo = request.undo();
  order.exit = request.exit();
  order.by = caller.name();
  constexpr char kWithUndo[] = "does not go with undo";
  if (order.exit && order.undo) return FieldError("exit", kWithUndo);
  if (order.exit && order.place.kind != Place::Kind::kNode) return FieldError("exit", "goes with node only");
  if (request.has_window()) {
    if (order.undo) return FieldError("window", kWithUndo);
    RETURN_IF_ERROR(ReadDuration("window", request.window(), kLongestWindow, &order.window));
  }
  if (request.has_delay()) {
    if (order.undo) return FieldError("delay", kWithUndo);
    RETURN_IF_ERROR(ReadDuration("delay", request.delay(), kLongestDelay, &order.delay));
  }
  return order;
}

}  // namespace

Status ListNodes(ControlContext& context, const Caller& caller, v1::ListNodesResponse* response,
                 absl::AnyInvocable<void(const Status&)> done) {
  bool sees_everything = caller.CheckEverything().ok();
  bool sees_streams = caller.CheckAllStreams().ok();
  v1::Node* node = response->add_nodes();
  node->set_node_id(context.about.node_id);
  node->set_version(context.about.version);
  *node->mutable_started_time() = TimeUtil::TimeTToTimestamp(context.about.started);
  uint64_t sessions = sees_everything ? context.node.Sessions() : 0;
  std::vector<wire::AppId> apps;
  for (const auth::App* app : sees_streams ? caller.Apps() : std::vector<const auth::App*>()) {
    apps.push_back(app->id);
    if (!sees_everything) sessions += context.node.Find({app->id, wire::TopicKind::kEveryone, ""}).sessions;
  }
  node->set_sessions(sessions);
  node->set_shards(context.node.shards());
  if (sees_everything) {
    for (const hooks::BackendState& state : context.operations.ListBackends()) Fill(state, node->add_hooks());
  }
  SetCoverage(false, response);
  context.operations.ListDrains([node, sees_everything, apps = std::move(apps),
                                 done = std::move(done)](const std::vector<Standing>& standings) mutable {
    for (const Standing& standing : standings) {
      bool is_node = standing.place.kind == Place::Kind::kNode;
      if (is_node) node->set_draining(true);
      bool is_own = standing.place.kind == Place::Kind::kApp &&
                    std::find(apps.begin(), apps.end(), standing.place.app) != apps.end();
      if (sees_everything || is_own) Fill(standing, node->add_drains());
    }
    done(absl::OkStatus());
  });
  return absl::OkStatus();
}

Status Drain(ControlContext& context, const Caller& caller, const v1::DrainRequest& request,
             v1::DrainResponse* response, absl::AnyInvocable<void(const Status&)> done) {
  ASSIGN_OR_RETURN(Operations::DrainOrder order, Read(request, caller));
  context.operations.Drain(std::move(order), [response, done = std::move(done)](StatusOr<Standing> standing) mutable {
    if (!standing.ok()) return done(standing.status());
    Fill(*standing, response->mutable_status());
    response->set_changed(standing->changed);
    SetCoverage(standing->partial, response);
    done(absl::OkStatus());
  });
  return absl::OkStatus();
}

}  // namespace carillon::control
