#include "control/requests.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "absl/strings/escaping.h"
#include "control/field_checks.h"
#include "gateway/auth/identity.h"
#include "gateway/wire/name_pattern.h"

namespace carillon::control {
namespace {

constexpr size_t kMaxReasonBytes = 123;  // what a close frame has room for (RFC 6455 section 5.5)

constexpr char kWhoseLog[] = "say whose log: stream or user_id";

template <class Request>
StatusOr<wire::Topic> ReadTarget(const Request& request, const Caller& caller, std::string_view if_none) {
  switch (request.target_case()) {
    case Request::kStream:
      RETURN_IF_ERROR(CheckStream("stream", request.stream()));
      return caller.TopicOf(request.app(), wire::TopicKind::kStream, request.stream());
    case Request::kUserId:
      RETURN_IF_ERROR(CheckUser("user_id", request.user_id()));
      return caller.TopicOf(request.app(), wire::TopicKind::kUser, request.user_id());
    default:
      return FieldError("target", if_none);
  }
}

// The page token that continues after a user.
Status ReadUserToken(const std::string& token, std::string* after) {
  if (token.empty()) return absl::OkStatus();
  if (absl::WebSafeBase64Unescape(token, after) && wire::CheckUserId(*after).ok()) return absl::OkStatus();
  return FieldError("page_token", "not a next_page_token of this call");
}

}  // namespace

// --- Questions and orders --------------------------------------------------------------------------------------------

StatusOr<KickOrder> ReadKick(const v1::KickRequest& request, const Caller& caller) {
  if (request.target_case() == v1::KickRequest::TARGET_NOT_SET) {
    return FieldError("target", "say whom to kick: session_id, user_id or stream");
  }
  KickOrder order;
  if (request.has_session_id()) {
    RETURN_IF_ERROR(CheckSession("session_id", request.session_id()));
    ASSIGN_OR_RETURN(order.topic, caller.TopicOf(request.app(), wire::TopicKind::kSession, request.session_id()));
  } else {
    ASSIGN_OR_RETURN(order.topic, ReadTarget(request, caller, ""));
  }
  if (request.code() != 0 && !wire::IsKickCode(request.code())) {
    return FieldError("code", "a close code is 1000, 1008 or 3000 to 4999");
  }
  order.code = request.code() == 0 ? wire::CloseCode::kKicked : static_cast<wire::CloseCode>(request.code());
  if (request.reason().size() > kMaxReasonBytes) {
    return FieldError("reason", fmt::format("at most {} bytes", kMaxReasonBytes));
  }
  order.reason = request.reason().empty() ? "kicked" : request.reason();
  return order;
}

StatusOr<ListOrder> ReadSubscribers(const v1::SubscribersRequest& request, const Caller& caller) {
  ListOrder order;
  ASSIGN_OR_RETURN(order.topic, ReadTarget(request, caller, "say whose sessions: stream or user_id"));
  ASSIGN_OR_RETURN(order.page_size, ReadPageSize(request.page_size()));
  ASSIGN_OR_RETURN(order.after, ReadSessionToken(request.page_token()));
  return order;
}

StatusOr<SessionId> ReadSessionToken(const std::string& token) {
  if (token.empty()) return SessionId();
  std::string text;
  absl::WebSafeBase64Unescape(token, &text);
  auto after = SessionId::Parse(text);
  if (!after.has_value()) return FieldError("page_token", "not a next_page_token of this call");
  return *after;
}

std::string PageToken(SessionId last) {
  return absl::WebSafeBase64Escape(last.ToString());
}

StatusOr<wire::Topic> ReadCount(const v1::CountSubscribersRequest& request, const Caller& caller) {
  if (request.target_case() != v1::CountSubscribersRequest::TARGET_NOT_SET) return ReadTarget(request, caller, "");
  return caller.TopicOf(request.app(), wire::TopicKind::kEveryone, "");
}

// --- Events ----------------------------------------------------------------------------------------------------------

StatusOr<WatchOrder> ReadWatch(const v1::WatchBegin& begin, const Caller& caller) {
  constexpr int kMaxKinds = 32;
  constexpr int kMaxPatterns = 100;
  constexpr int kMaxUsers = 1000;
  constexpr uint32_t kMaxPartitions = 64;
  constexpr uint32_t kMaxOnTheirWay = 10'000;
  RETURN_IF_ERROR(caller.CheckAllStreams());
  ASSIGN_OR_RETURN(const auth::App* app, caller.AppOf(begin.app()));
  WatchOrder order;
  order.app = app->id;
  order.app_name = app->name;
  order.group = begin.group();
  if (!order.group.empty()) RETURN_IF_ERROR(Prefixed("begin.group", wire::CheckStreamName(order.group)));
  if (begin.partitions() > kMaxPartitions)
    return FieldError("begin.partitions", fmt::format("at most {}", kMaxPartitions));
  order.partitions = std::max<uint32_t>(1, begin.partitions());
  if (order.group.empty() && order.partitions > 1) return FieldError("begin.partitions", "go with a group");
  if (begin.has_resume()) {
    order.resume.emplace();
    RETURN_IF_ERROR(ReadPosition("begin.resume", begin.resume(), &*order.resume));
  }
  order.from_oldest = begin.from_oldest();
  const v1::EventFilter& filter = begin.filter();
  if (filter.kinds_size() > kMaxKinds) return FieldError("begin.filter.kinds", fmt::format("at most {}", kMaxKinds));
  for (int kind : filter.kinds()) {
    if (!v1::EventKind_IsValid(kind) || kind == v1::EVENT_KIND_UNSPECIFIED) {
      return FieldError("begin.filter.kinds", fmt::format("there is no kind {}", kind));
    }
    order.wish.kinds.push_back(static_cast<v1::EventKind>(kind));
  }
  if (filter.streams_size() > kMaxPatterns) {
    return FieldError("begin.filter.streams", fmt::format("at most {}", kMaxPatterns));
  }
  for (const std::string& pattern : filter.streams()) {
    std::string why = wire::PatternProblem(pattern);
    if (!why.empty()) return FieldError("begin.filter.streams", why);
    order.wish.streams.push_back(app->StreamNamed(pattern));
  }
  if (filter.user_ids_size() > kMaxUsers) {
    return FieldError("begin.filter.user_ids", fmt::format("at most {}", kMaxUsers));
  }
  for (const std::string& user : filter.user_ids()) {
    RETURN_IF_ERROR(CheckUser("begin.filter.user_ids", user));
    order.wish.users.push_back(user);
  }
  if (filter.client_events_size() > kMaxPatterns) {
    return FieldError("begin.filter.client_events", fmt::format("at most {}", kMaxPatterns));
  }
  for (const std::string& name : filter.client_events()) {
    if (name.empty() || name.find('*') < name.size() - 1) {
      return FieldError("begin.filter.client_events", "needs a name, or the beginning of names and a * at its end");
    }
    order.wish.client_events.push_back(name);
  }
  if (begin.max_unacknowledged() > kMaxOnTheirWay) {
    return FieldError("begin.max_unacknowledged", fmt::format("at most {}", kMaxOnTheirWay));
  }
  if (begin.max_unacknowledged() > 0) order.max_unacknowledged = begin.max_unacknowledged();
  return order;
}

// --- Members ---------------------------------------------------------------------------------------------------------

StatusOr<PresenceOrder> ReadGetPresence(const v1::GetPresenceRequest& request, const Caller& caller) {
  PresenceOrder order;
  RETURN_IF_ERROR(CheckStream("stream", request.stream()));
  ASSIGN_OR_RETURN(order.stream, caller.TopicOf(request.app(), wire::TopicKind::kStream, request.stream()));
  ASSIGN_OR_RETURN(order.page_size, ReadPageSize(request.page_size()));
  if (request.count_only()) order.page_size = 0;
  RETURN_IF_ERROR(ReadUserToken(request.page_token(), &order.after));
  return order;
}

// --- Logs ------------------------------------------------------------------------------------------------------------

StatusOr<ReadOrder> ReadListMessages(const v1::ListMessagesRequest& request, const Caller& caller) {
  ReadOrder order;
  ASSIGN_OR_RETURN(order.topic, ReadTarget(request, caller, kWhoseLog));
  ASSIGN_OR_RETURN(order.page_size, ReadPageSize(request.page_size()));
  if (request.has_after()) {
    order.after.emplace();
    RETURN_IF_ERROR(ReadPosition("after", request.after(), &*order.after));
  }
  if (!request.page_token().empty()) {
    std::string text;
    absl::WebSafeBase64Unescape(request.page_token(), &text);
    size_t colon = text.find(':');
    wire::Position position{text.substr(0, colon), 0};
    bool sound = colon != std::string::npos && colon > 0;
    if (sound) {
      auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), position.offset);
      sound = error == std::errc() && end == text.data() + text.size();
    }
    if (!sound) return FieldError("page_token", "not a next_page_token of this call");
    order.after = std::move(position);
  }
  return order;
}

std::string PageToken(const wire::Position& last) {
  return absl::WebSafeBase64Escape(fmt::format("{}:{}", last.epoch, last.offset));
}

StatusOr<wire::Topic> ReadClearMessages(const v1::ClearMessagesRequest& request, const Caller& caller) {
  return ReadTarget(request, caller, kWhoseLog);
}

namespace {

// The app whose users and tokens are meant.
StatusOr<const auth::App*> AppForOrders(const std::string& named, const Caller& caller) {
  RETURN_IF_ERROR(caller.CheckAllStreams());
  return caller.AppOf(named);
}

}  // namespace

// --- Keeping out -----------------------------------------------------------------------------------------------------

StatusOr<RevokeOrder> ReadRevokeTokens(const v1::RevokeTokensRequest& request, const Caller& caller,
                                       std::chrono::system_clock::time_point now) {
  RevokeOrder order;
  ASSIGN_OR_RETURN(order.app, AppForOrders(request.app(), caller));
  switch (request.target_case()) {
    case v1::RevokeTokensRequest::kTokenId:
      if (request.token_id().empty() || request.token_id().size() > auth::kMaxTokenIdBytes) {
        return FieldError("token_id", fmt::format("1 to {} bytes are needed", auth::kMaxTokenIdBytes));
      }
      if (request.has_issued_before()) return FieldError("issued_before", "goes with user_id: one token has one time");
      order.token_id = request.token_id();
      return order;
    case v1::RevokeTokensRequest::kUserId:
      RETURN_IF_ERROR(CheckUser("user_id", request.user_id()));
      order.user_id = request.user_id();
      break;
    case v1::RevokeTokensRequest::TARGET_NOT_SET:
      return FieldError("target", "say which tokens: user_id or token_id");
  }
  order.issued_before = now;
  if (request.has_issued_before()) {
    const auto& time = request.issued_before();
    if (time.seconds() < 0 || time.nanos() < 0 || time.nanos() > 999'999'999) {
      return FieldError("issued_before", "not a time since 1970");
    }
    auto latest = now + std::chrono::minutes(1);
    auto latest_seconds = std::chrono::duration_cast<std::chrono::seconds>(latest.time_since_epoch()).count();
    if (time.seconds() > latest_seconds) return FieldError("issued_before", "lies more than a minute ahead");
    order.issued_before = std::chrono::system_clock::time_point(std::chrono::seconds(time.seconds()) +
                                                                std::chrono::nanoseconds(time.nanos()));
  }
  return order;
}

StatusOr<BlockOrder> ReadBlockUser(const v1::BlockUserRequest& request, const Caller& caller) {
  RETURN_IF_ERROR(CheckUser("user_id", request.user_id()));
  BlockOrder order;
  ASSIGN_OR_RETURN(order.app, AppForOrders(request.app(), caller));
  order.user_id = request.user_id();
  if (request.has_duration()) {
    constexpr int64_t kCentury = 3'155'760'000;
    if (request.duration().seconds() < 1) return FieldError("duration", "at least 1 second is needed");
    order.duration = std::chrono::seconds(std::min(request.duration().seconds(), kCentury));
  }
  if (request.reason().size() > kMaxReasonBytes) {
    return FieldError("reason", fmt::format("at most {} bytes", kMaxReasonBytes));
  }
  order.reason = request.reason().empty() ? "this user is blocked" : request.reason();
  return order;
}

StatusOr<const auth::App*> ReadUnblockUser(const v1::UnblockUserRequest& request, const Caller& caller) {
  RETURN_IF_ERROR(CheckUser("user_id", request.user_id()));
  return AppForOrders(request.app(), caller);
}

StatusOr<BlockedOrder> ReadListBlockedUsers(const v1::ListBlockedUsersRequest& request, const Caller& caller) {
  BlockedOrder order;
  ASSIGN_OR_RETURN(order.app, AppForOrders(request.app(), caller));
  ASSIGN_OR_RETURN(order.page_size, ReadPageSize(request.page_size()));
  RETURN_IF_ERROR(ReadUserToken(request.page_token(), &order.after));
  return order;
}

std::string PageToken(std::string_view last_user) {
  return absl::WebSafeBase64Escape({last_user.data(), last_user.size()});
}

}  // namespace carillon::control
