#include "control/requests.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "gateway/base/random.h"
#include "gateway/wire/json_check.h"

namespace carillon::control {
namespace {

constexpr size_t kMaxEventBytes = 128;
constexpr int kMaxMeta = 32;
constexpr size_t kMaxMetaKeyBytes = 64;
constexpr size_t kMaxMetaValueBytes = 1024;
constexpr std::string_view kReservedMeta[] = {"id", "ts", "offset", "epoch", "log"};

constexpr int kMaxUsers = 1000;
constexpr size_t kMaxReasonBytes = 123;  // what a close frame has room for (RFC 6455 section 5.5)
constexpr int32_t kDefaultPageSize = 100;
constexpr int32_t kMaxPageSize = 1000;

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

bool IsMetaKey(std::string_view key) {
  return !key.empty() && key.size() <= kMaxMetaKeyBytes && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

Status Prefixed(std::string_view field, const Status& status) {
  return status.ok() ? status : FieldError(field, MessageOf(status));
}

Status CheckStream(std::string_view field, std::string_view stream) {
  return Prefixed(field, wire::CheckStreamName(stream));
}

Status CheckUser(std::string_view field, std::string_view user) {
  return Prefixed(field, wire::CheckUserId(user));
}

Status CheckSession(std::string_view field, std::string_view id) {
  if (SessionId::Parse(id).has_value()) return absl::OkStatus();
  return FieldError(field, "not a session id: 20 hexadecimal digits, as welcome and Subscribers say it");
}

Status CheckMeta(const google::protobuf::Map<std::string, std::string>& meta) {
  if (meta.size() > kMaxMeta) return FieldError("event.meta", fmt::format("at most {} entries", kMaxMeta));
  for (const auto& [key, value] : meta) {
    if (!IsMetaKey(key)) {
      return FieldError("event.meta", fmt::format("keys have 1 to {} bytes of [A-Za-z0-9._-]", kMaxMetaKeyBytes));
    }
    if (std::find(std::begin(kReservedMeta), std::end(kReservedMeta), key) != std::end(kReservedMeta)) {
      return FieldError("event.meta", fmt::format("the key {} is Carillon's own", key));
    }
    if (value.size() > kMaxMetaValueBytes) {
      return FieldError("event.meta", fmt::format("the value of {} has more than {} bytes", key, kMaxMetaValueBytes));
    }
  }
  return absl::OkStatus();
}

// Whether a Value is JSON. protobuf's own writer would recurse without asking, write a Value of no kind as nothing, and
// numbers that are not finite as words.
Status CheckValue(const google::protobuf::Value& value, int depth_left) {
  constexpr char kField[] = "event.value";
  if (value.kind_case() == google::protobuf::Value::KIND_NOT_SET) return FieldError(kField, "holds a value of no kind");
  if (value.has_number_value() && !std::isfinite(value.number_value())) {
    return FieldError(kField, "holds a number that is not finite, which JSON cannot say");
  }
  if ((value.has_struct_value() || value.has_list_value()) && depth_left == 0) {
    return FieldError(kField, fmt::format("nests deeper than {}", wire::kMaxJsonDepth));
  }
  for (const auto& [key, field] : value.struct_value().fields()) RETURN_IF_ERROR(CheckValue(field, depth_left - 1));
  for (const auto& entry : value.list_value().values()) RETURN_IF_ERROR(CheckValue(entry, depth_left - 1));
  return absl::OkStatus();
}

Status ReadPayload(const v1::Event& event, size_t max_bytes, v1::Envelope* envelope) {
  switch (event.payload_case()) {
    case v1::Event::kJson:
      if (event.json().size() <= max_bytes) RETURN_IF_ERROR(Prefixed("event.json", wire::CheckJson(event.json())));
      envelope->set_json(event.json());
      break;
    case v1::Event::kValue: {
      RETURN_IF_ERROR(CheckValue(event.value(), wire::kMaxJsonDepth));
      auto status = google::protobuf::util::MessageToJsonString(event.value(), envelope->mutable_json());
      if (!status.ok()) return FieldError("event.value", "cannot be written as JSON");
      break;
    }
    case v1::Event::kBinary:
      envelope->set_binary(event.binary());
      break;
    case v1::Event::kMessage:
      return absl::UnimplementedError(
          "event.message: typed payloads need registered schemas, which this version lacks");
    case v1::Event::PAYLOAD_NOT_SET:
      break;
  }
  size_t bytes = envelope->has_binary() ? (envelope->binary().size() + 2) / 3 * 4 : envelope->json().size();
  if (bytes > max_bytes) {
    return FieldError("event", fmt::format("the payload has {} bytes as clients receive it; the limit is {} "
                                           "(config: limits.max_publish_bytes)",
                                           bytes, max_bytes));
  }
  return absl::OkStatus();
}

wire::Topic TopicOf(wire::TopicKind kind, const std::string& name) {
  return {wire::kDefaultApp, kind, name};
}

}  // namespace

// --- Messages --------------------------------------------------------------------------------------------------------

Drafter::Drafter(size_t max_publish_bytes) : max_publish_bytes_(max_publish_bytes), boot_(RandomHex(4)) {}

StatusOr<wire::FramePtr> Drafter::MakeFrame(const v1::Event& event, std::string_view stream) {
  if (event.name().empty()) return FieldError("event.name", "an event needs a name");
  if (event.name().size() > kMaxEventBytes || HasControl(event.name())) {
    return FieldError("event.name", fmt::format("1 to {} bytes without control characters", kMaxEventBytes));
  }
  RETURN_IF_ERROR(CheckMeta(event.meta()));
  v1::Envelope envelope;
  RETURN_IF_ERROR(ReadPayload(event, max_publish_bytes_, &envelope));
  envelope.set_id(fmt::format("{}-{:010x}", boot_, next_id_.fetch_add(1, std::memory_order_relaxed)));
  envelope.set_stream(std::string(stream));
  envelope.set_event(event.name());
  *envelope.mutable_meta() = event.meta();
  auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_1970);
  envelope.mutable_time()->set_seconds(seconds.count());
  envelope.mutable_time()->set_nanos(
      static_cast<int32_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(since_1970 - seconds).count()));
  return wire::FramePtr(new wire::Frame(std::move(envelope)));
}

StatusOr<Draft> Drafter::Read(const v1::BroadcastToUserRequest& request) {
  RETURN_IF_ERROR(CheckUser("user_id", request.user_id()));
  if (!request.stream().empty()) RETURN_IF_ERROR(CheckStream("stream", request.stream()));
  Draft draft;
  draft.topics = {TopicOf(wire::TopicKind::kUser, request.user_id())};
  draft.stream_subscribers_only = !request.stream().empty() && !request.any_session();
  ASSIGN_OR_RETURN(draft.frame,
                   MakeFrame(request.event(), request.stream().empty() ? wire::kUserStream : request.stream()));
  return draft;
}

StatusOr<Draft> Drafter::Read(const v1::BroadcastToUsersRequest& request) {
  if (request.user_ids().empty()) return FieldError("user_ids", "at least one user is needed");
  if (request.user_ids_size() > kMaxUsers) return FieldError("user_ids", fmt::format("at most {} users", kMaxUsers));
  Draft draft;
  absl::flat_hash_set<std::string_view> seen;
  for (int i = 0; i < request.user_ids_size(); ++i) {
    const std::string& user = request.user_ids(i);
    RETURN_IF_ERROR(CheckUser(fmt::format("user_ids[{}]", i), user));
    if (seen.insert(user).second) draft.topics.push_back(TopicOf(wire::TopicKind::kUser, user));
  }
  if (!request.stream().empty()) RETURN_IF_ERROR(CheckStream("stream", request.stream()));
  draft.stream_subscribers_only = !request.stream().empty() && !request.any_session();
  ASSIGN_OR_RETURN(draft.frame,
                   MakeFrame(request.event(), request.stream().empty() ? wire::kUserStream : request.stream()));
  return draft;
}

StatusOr<Draft> Drafter::Read(const v1::BroadcastStreamRequest& request) {
  RETURN_IF_ERROR(CheckStream("stream", request.stream()));
  Draft draft;
  draft.topics = {TopicOf(wire::TopicKind::kStream, request.stream())};
  ASSIGN_OR_RETURN(draft.frame, MakeFrame(request.event(), request.stream()));
  return draft;
}

StatusOr<Draft> Drafter::Read(const v1::BroadcastAllRequest& request) {
  if (!request.stream().empty()) RETURN_IF_ERROR(CheckStream("stream", request.stream()));
  Draft draft;
  draft.topics = {TopicOf(wire::TopicKind::kEveryone, "")};
  ASSIGN_OR_RETURN(draft.frame,
                   MakeFrame(request.event(), request.stream().empty() ? wire::kAllStream : request.stream()));
  return draft;
}

StatusOr<Draft> Drafter::Read(const v1::SendToSessionRequest& request) {
  RETURN_IF_ERROR(CheckSession("session_id", request.session_id()));
  if (!request.stream().empty()) RETURN_IF_ERROR(CheckStream("stream", request.stream()));
  Draft draft;
  draft.topics = {TopicOf(wire::TopicKind::kSession, request.session_id())};
  ASSIGN_OR_RETURN(draft.frame,
                   MakeFrame(request.event(), request.stream().empty() ? wire::kSessionStream : request.stream()));
  return draft;
}

StatusOr<Draft> Drafter::Read(const v1::PublishItem& item) {
  switch (item.target_case()) {
    case v1::PublishItem::kBroadcastStream:
      return Read(item.broadcast_stream());
    case v1::PublishItem::kBroadcastToUser:
      return Read(item.broadcast_to_user());
    case v1::PublishItem::kBroadcastToUsers:
      return Read(item.broadcast_to_users());
    case v1::PublishItem::kBroadcastAll:
      return Read(item.broadcast_all());
    case v1::PublishItem::kSendToSession:
      return Read(item.send_to_session());
    case v1::PublishItem::TARGET_NOT_SET:
      break;
  }
  return FieldError("target", "an item needs a target");
}

// --- Questions and orders --------------------------------------------------------------------------------------------

StatusOr<KickOrder> ReadKick(const v1::KickRequest& request) {
  KickOrder order;
  switch (request.target_case()) {
    case v1::KickRequest::kSessionId:
      RETURN_IF_ERROR(CheckSession("session_id", request.session_id()));
      order.topic = TopicOf(wire::TopicKind::kSession, request.session_id());
      break;
    case v1::KickRequest::kUserId:
      RETURN_IF_ERROR(CheckUser("user_id", request.user_id()));
      order.topic = TopicOf(wire::TopicKind::kUser, request.user_id());
      break;
    case v1::KickRequest::kStream:
      RETURN_IF_ERROR(CheckStream("stream", request.stream()));
      order.topic = TopicOf(wire::TopicKind::kStream, request.stream());
      break;
    case v1::KickRequest::TARGET_NOT_SET:
      return FieldError("target", "say whom to kick: session_id, user_id or stream");
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

StatusOr<ListOrder> ReadSubscribers(const v1::SubscribersRequest& request) {
  ListOrder order;
  switch (request.target_case()) {
    case v1::SubscribersRequest::kStream:
      RETURN_IF_ERROR(CheckStream("stream", request.stream()));
      order.topic = TopicOf(wire::TopicKind::kStream, request.stream());
      break;
    case v1::SubscribersRequest::kUserId:
      RETURN_IF_ERROR(CheckUser("user_id", request.user_id()));
      order.topic = TopicOf(wire::TopicKind::kUser, request.user_id());
      break;
    case v1::SubscribersRequest::TARGET_NOT_SET:
      return FieldError("target", "say whose sessions: stream or user_id");
  }
  if (request.page_size() < 0) return FieldError("page_size", "may not be negative");
  order.page_size =
      static_cast<size_t>(request.page_size() == 0 ? kDefaultPageSize : std::min(request.page_size(), kMaxPageSize));
  if (!request.page_token().empty()) {
    std::string text;
    absl::WebSafeBase64Unescape(request.page_token(), &text);
    auto after = SessionId::Parse(text);
    if (!after.has_value()) return FieldError("page_token", "not a next_page_token of this call");
    order.after = *after;
  }
  return order;
}

std::string PageToken(SessionId last) {
  return absl::WebSafeBase64Escape(last.ToString());
}

StatusOr<wire::Topic> ReadCount(const v1::CountSubscribersRequest& request) {
  switch (request.target_case()) {
    case v1::CountSubscribersRequest::kStream:
      RETURN_IF_ERROR(CheckStream("stream", request.stream()));
      return TopicOf(wire::TopicKind::kStream, request.stream());
    case v1::CountSubscribersRequest::kUserId:
      RETURN_IF_ERROR(CheckUser("user_id", request.user_id()));
      return TopicOf(wire::TopicKind::kUser, request.user_id());
    case v1::CountSubscribersRequest::TARGET_NOT_SET:
      break;
  }
  return TopicOf(wire::TopicKind::kEveryone, "");
}

}  // namespace carillon::control
