#include "control/sessions.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <atomic>

#include "control/coverage.h"
#include "control/field_checks.h"
#include "control/requests.h"
#include "gateway/hub/reports.h"

namespace carillon::control {
namespace {

using google::protobuf::util::TimeUtil;
using Clock = std::chrono::system_clock;
using Page = std::vector<hub::SessionReport>;
using Found = std::optional<hub::SessionDetails>;

constexpr size_t kMaxStreams = 1000;  // that GetSession names
constexpr int32_t kUsualSlow = 20;
constexpr int32_t kMaxSlow = 1000;
constexpr int kMaxLabels = 16;
constexpr std::chrono::milliseconds kLongestMeasure{10'000};

google::protobuf::Timestamp TimestampOf(Clock::time_point time) {
  return TimeUtil::MillisecondsToTimestamp(
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count());
}

google::protobuf::Duration DurationOf(Clock::duration duration) {
  return TimeUtil::MillisecondsToDuration(
      std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::milliseconds>(duration).count()));
}

void Fill(const hub::SessionReport& report, Clock::time_point now, v1::Session* session) {
  session->set_session_id(report.session.id.ToString());
  if (const auth::IdentityPtr& identity = report.session.identity; identity != nullptr) {
    session->set_user_id(identity->user_id);
    session->set_name(identity->name);
    session->mutable_roles()->Add(identity->roles.begin(), identity->roles.end());
    session->mutable_labels()->insert(identity->labels.begin(), identity->labels.end());
    if (identity->expires_at != Clock::time_point()) {
      *session->mutable_token_expire_time() = TimestampOf(identity->expires_at);
    }
  }
  session->set_address(report.peer.address);
  session->set_endpoint(report.peer.endpoint);
  *session->mutable_connected_time() = TimestampOf(report.session.connected_at);
  *session->mutable_age() = DurationOf(now - report.session.connected_at);
  session->set_streams(static_cast<uint32_t>(report.streams));
  v1::Backlog* backlog = session->mutable_backlog();
  backlog->set_messages(report.lag.messages);
  backlog->set_bytes(report.lag.bytes);
  *backlog->mutable_age() = DurationOf(report.lag.age);
  backlog->set_messages_lost(report.lag.lost.sum());
  session->set_messages_queued(report.queued);
  session->set_messages_said(report.said);
}

Page Join(std::vector<Page>* pages) {
  Page all;
  for (Page& page : *pages) {
    all.insert(all.end(), std::make_move_iterator(page.begin()), std::make_move_iterator(page.end()));
  }
  return all;
}

Status Unknown() {
  return WithReason(absl::NotFoundError("there is no such session"), "SESSION_UNKNOWN");
}

// Where a session is, and who asks for it.
struct SessionOrder {
  wire::AppId app;
  SessionId id;
  std::chrono::milliseconds measure{0};
};

StatusOr<SessionOrder> Read(const v1::GetSessionRequest& request, const Caller& caller) {
  RETURN_IF_ERROR(caller.CheckAllStreams());
  RETURN_IF_ERROR(CheckSession("session_id", request.session_id()));
  ASSIGN_OR_RETURN(const auth::App* app, caller.AppOf(request.app()));
  SessionOrder order{app->id, *SessionId::Parse(request.session_id())};
  if (request.has_measure_for()) {
    order.measure = std::chrono::milliseconds(TimeUtil::DurationToMilliseconds(request.measure_for()));
    if (order.measure.count() < 1 || order.measure > kLongestMeasure) {
      return FieldError("measure_for", "1 ms to 10 s");
    }
  }
  return order;
}

void Ask(hub::Node& node, const SessionOrder& order, absl::AnyInvocable<void(StatusOr<hub::SessionDetails>)> done) {
  if (order.id.shard >= node.shards()) return done(Unknown());
  node.Ask(
      ShardBit(order.id.shard),
      [order](hub::Shard& shard) { return hub::DescribeSession(shard, order.app, order.id, kMaxStreams); },
      [done = std::move(done)](Gather<Found>::Result result) mutable {
        if (result.partial) return done(absl::UnavailableError("the session's shard did not answer in time"));
        Found& found = result.answers.front();
        if (!found.has_value()) return done(Unknown());
        done(*std::move(found));
      });
}

// The time between two looks at a session. The end of the gateway does not wait for it.
class Pause final : public OpenCalls::Call {
 public:
  static void Begin(ControlContext& context, std::chrono::milliseconds time, absl::AnyInvocable<void()> then) {
    auto pause = std::make_shared<Pause>(std::move(then));
    context.open_calls.Add(pause.get());
    context.node.After(time, [&context, pause] {
      pause->OnStop();
      context.open_calls.Remove(pause.get());  // waits for whoever is just stopping it
    });
    if (context.stopping.load()) pause->OnStop();  // the others may have been told before
  }

  explicit Pause(absl::AnyInvocable<void()> then) : then_(std::move(then)) {}

  // Also when the time is over.
  void OnStop() override {
    if (!over_.exchange(true)) then_();
  }

 private:
  absl::AnyInvocable<void()> then_;
  std::atomic<bool> over_{false};
};

}  // namespace

Status ListSessions(hub::Node& node, const Caller& caller, const v1::ListSessionsRequest& request,
                    v1::ListSessionsResponse* response, absl::AnyInvocable<void(const Status&)> done) {
  RETURN_IF_ERROR(caller.CheckAllStreams());
  ASSIGN_OR_RETURN(const auth::App* app, caller.AppOf(request.app()));
  ASSIGN_OR_RETURN(size_t page_size, ReadPageSize(request.page_size()));
  ASSIGN_OR_RETURN(SessionId after, ReadSessionToken(request.page_token()));
  hub::SessionFilter filter{request.user_id(), {request.labels().begin(), request.labels().end()}};
  if (!filter.user_id.empty()) RETURN_IF_ERROR(CheckUser("user_id", filter.user_id));
  if (request.labels_size() > kMaxLabels) return FieldError("labels", fmt::format("at most {}", kMaxLabels));
  node.Ask(
      node.all_shards(),
      // One more than the page holds tells whether there is a next one.
      [id = app->id, filter = std::move(filter), after, page_size](hub::Shard& shard) {
        return hub::ListSessions(shard, id, filter, after, page_size + 1);
      },
      [response, page_size, done = std::move(done)](Gather<Page>::Result result) mutable {
        Page all = Join(&result.answers);
        std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.session.id < b.session.id; });
        size_t size = std::min(all.size(), page_size);
        auto now = Clock::now();
        for (size_t i = 0; i < size; ++i) Fill(all[i], now, response->add_sessions());
        if (all.size() > size) response->set_next_page_token(PageToken(all[size - 1].session.id));
        SetCoverage(result.partial, response);
        done(absl::OkStatus());
      });
  return absl::OkStatus();
}

Status GetSession(ControlContext& context, const Caller& caller, const v1::GetSessionRequest& request,
                  v1::GetSessionResponse* response, absl::AnyInvocable<void(const Status&)> done) {
  ASSIGN_OR_RETURN(SessionOrder order, Read(request, caller));
  auto begun = std::chrono::steady_clock::now();
  auto second = [response, begun, done = std::move(done)](StatusOr<hub::SessionDetails> found,
                                                          const hub::SessionReport* before) mutable {
    if (!found.ok()) return done(found.status());
    Fill(found->report, Clock::now(), response->mutable_session());
    for (std::string& stream : found->streams) response->add_streams(std::move(stream));
    if (before != nullptr) {
      auto measured = std::chrono::steady_clock::now() - begun;
      double seconds = std::chrono::duration<double>(measured).count();
      v1::SessionRates* rates = response->mutable_rates();
      rates->set_queued(static_cast<double>(found->report.queued - before->queued) / seconds);
      rates->set_said(static_cast<double>(found->report.said - before->said) / seconds);
      *rates->mutable_measured() =
          TimeUtil::MicrosecondsToDuration(std::chrono::duration_cast<std::chrono::microseconds>(measured).count());
    }
    done(absl::OkStatus());
  };
  Ask(context.node, order, [&context, order, second = std::move(second)](StatusOr<hub::SessionDetails> first) mutable {
    if (!first.ok() || order.measure.count() == 0) return second(std::move(first), nullptr);
    auto again = [&context, order, second = std::move(second), before = first->report]() mutable {
      Ask(context.node, order, [second = std::move(second), before = std::move(before)](auto found) mutable {
        second(std::move(found), &before);
      });
    };
    Pause::Begin(context, order.measure, std::move(again));
  });
  return absl::OkStatus();
}

Status TopSlow(hub::Node& node, const Caller& caller, const v1::TopSlowRequest& request, v1::TopSlowResponse* response,
               absl::AnyInvocable<void(const Status&)> done) {
  RETURN_IF_ERROR(caller.CheckAllStreams());
  ASSIGN_OR_RETURN(const auth::App* app, caller.AppOf(request.app()));
  if (request.limit() < 0) return FieldError("limit", "must not be negative");
  auto limit = static_cast<size_t>(request.limit() == 0 ? kUsualSlow : std::min(request.limit(), kMaxSlow));
  node.Ask(
      node.all_shards(), [id = app->id, limit](hub::Shard& shard) { return hub::ListSlow(shard, id, limit); },
      [response, limit, done = std::move(done)](Gather<Page>::Result result) mutable {
        Page all = Join(&result.answers);
        std::stable_sort(all.begin(), all.end(), hub::IsSlower);
        auto now = Clock::now();
        for (size_t i = 0; i < std::min(all.size(), limit); ++i) Fill(all[i], now, response->add_sessions());
        SetCoverage(result.partial, response);
        done(absl::OkStatus());
      });
  return absl::OkStatus();
}

}  // namespace carillon::control
