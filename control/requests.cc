#include "control/requests.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <map>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "gateway/auth/identity.h"
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
constexpr size_t kMaxRequestIdBytes = 128;
constexpr size_t kMaxKeyBytes = 128;
constexpr int kMaxExcluded = 100;
constexpr int kMaxLabels = 16;
constexpr size_t kMaxLabelBytes = 256;
constexpr std::chrono::hours kMaxLife{720};
constexpr size_t kMaxEpochBytes = 64;
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

// A duration that counts from now; nothing where it is not set.
Status ReadDuration(std::string_view field, bool set, const google::protobuf::Duration& duration,
                    wire::WallClock::time_point now, wire::WallClock::time_point* until) {
  if (!set) return absl::OkStatus();
  auto length = std::chrono::seconds(std::clamp<int64_t>(duration.seconds(), -1, 1 << 30)) +
                std::chrono::nanoseconds(duration.nanos());
  bool sound = duration.nanos() >= 0 && duration.nanos() < 1'000'000'000;
  if (!sound || length < std::chrono::milliseconds(1) || length > kMaxLife) {
    return FieldError(field, "1 ms to 30 days");
  }
  *until = now + std::chrono::duration_cast<wire::WallClock::duration>(length);
  return absl::OkStatus();
}

Status ReadPosition(std::string_view field, const v1::Position& position, wire::Position* out) {
  if (position.epoch().empty() || position.epoch().size() > kMaxEpochBytes) {
    return FieldError(fmt::format("{}.epoch", field), "the epoch that a receipt or ListMessages said");
  }
  *out = {position.epoch(), position.offset()};
  return absl::OkStatus();
}

Status ReadSelector(const v1::Selector& selector, wire::Terms* terms) {
  if (selector.labels_size() > kMaxLabels) {
    return FieldError("options.selector.labels", fmt::format("at most {}", kMaxLabels));
  }
  if (selector.roles_size() > kMaxLabels) {
    return FieldError("options.selector.roles", fmt::format("at most {}", kMaxLabels));
  }
  if (selector.user_ids_size() > kMaxExcluded) {
    return FieldError("options.selector.user_ids", fmt::format("at most {}", kMaxExcluded));
  }
  bool empty = selector.labels().empty() && selector.roles().empty() && selector.user_ids().empty();
  if (empty)
    return FieldError("options.selector", "selects by labels, user_ids or roles; leave it out to mean everyone");
  for (const auto& [key, value] : selector.labels()) {
    if (key.empty() || std::max(key.size(), value.size()) > kMaxLabelBytes) {
      return FieldError("options.selector.labels", fmt::format("1 to {} bytes each", kMaxLabelBytes));
    }
  }
  for (const std::string& role : selector.roles()) {
    if (role.empty() || role.size() > kMaxLabelBytes) {
      return FieldError("options.selector.roles", fmt::format("1 to {} bytes each", kMaxLabelBytes));
    }
  }
  for (const std::string& user : selector.user_ids()) RETURN_IF_ERROR(CheckUser("options.selector.user_ids", user));
  terms->labels.insert(selector.labels().begin(), selector.labels().end());
  terms->user_ids.assign(selector.user_ids().begin(), selector.user_ids().end());
  terms->roles.assign(selector.roles().begin(), selector.roles().end());
  return absl::OkStatus();
}

// What of the options stays with the message.
Status ReadTerms(const v1::PublishOptions& options, wire::WallClock::time_point now, wire::Terms* terms) {
  if (options.has_selector()) RETURN_IF_ERROR(ReadSelector(options.selector(), terms));
  if (options.exclude_sessions_size() > kMaxExcluded || options.exclude_users_size() > kMaxExcluded) {
    return FieldError(
        options.exclude_users_size() > kMaxExcluded ? "options.exclude_users" : "options.exclude_sessions",
        fmt::format("at most {}", kMaxExcluded));
  }
  for (const std::string& text : options.exclude_sessions()) {
    RETURN_IF_ERROR(CheckSession("options.exclude_sessions", text));
    terms->excluded_sessions.push_back(*SessionId::Parse(text));
  }
  for (const std::string& user : options.exclude_users()) {
    RETURN_IF_ERROR(CheckUser("options.exclude_users", user));
    terms->excluded_users.push_back(user);
  }
  if (options.conflation_key().size() > kMaxKeyBytes) {
    return FieldError("options.conflation_key", fmt::format("at most {} bytes", kMaxKeyBytes));
  }
  terms->conflation_key = options.conflation_key();
  RETURN_IF_ERROR(ReadDuration("options.ttl", options.has_ttl(), options.ttl(), now, &terms->expires));
  return ReadDuration("options.deliver_within", options.has_deliver_within(), options.deliver_within(), now,
                      &terms->deliver_by);
}

bool AnyTerms(const wire::Terms& terms) {
  constexpr auto kNever = wire::WallClock::time_point::max();
  return !terms.ForAnyone() || !terms.conflation_key.empty() || terms.expires != kNever || terms.deliver_by != kNever;
}

// What a message says, as far as a second attempt must say the same. Of the request, because JSON that is made of a
// Value has its keys in another order each time.
uint64_t FingerprintOf(const v1::Event& event, std::string_view stream, v1::PublishOptions options) {
  options.clear_request_id();
  options.clear_report();
  std::string bytes;
  for (const google::protobuf::Message* part : {static_cast<const google::protobuf::Message*>(&event),
                                                static_cast<const google::protobuf::Message*>(&options)}) {
    google::protobuf::io::StringOutputStream into(&bytes);
    google::protobuf::io::CodedOutputStream out(&into);
    out.SetSerializationDeterministic(true);
    out.WriteVarint64(part->ByteSizeLong());
    part->SerializeToCodedStream(&out);
  }
  return absl::HashOf(bytes, stream);
}

StatusOr<size_t> ReadPageSize(int32_t wanted) {
  if (wanted < 0) return FieldError("page_size", "may not be negative");
  return static_cast<size_t>(wanted == 0 ? kDefaultPageSize : std::min(wanted, kMaxPageSize));
}

wire::Topic TopicOf(wire::TopicKind kind, const std::string& name) {
  return {wire::kDefaultApp, kind, name};
}

}  // namespace

// --- Messages --------------------------------------------------------------------------------------------------------

Drafter::Drafter(size_t max_publish_bytes) : max_publish_bytes_(max_publish_bytes), boot_(RandomHex(4)) {}

StatusOr<Draft> Drafter::Make(std::vector<wire::Topic> topics, const v1::Event& event, std::string_view stream,
                              const v1::PublishOptions& options, bool stream_subscribers_only) {
  if (event.name().empty()) return FieldError("event.name", "an event needs a name");
  if (event.name().size() > kMaxEventBytes || HasControl(event.name())) {
    return FieldError("event.name", fmt::format("1 to {} bytes without control characters", kMaxEventBytes));
  }
  RETURN_IF_ERROR(CheckMeta(event.meta()));
  Draft draft;
  draft.topics = std::move(topics);
  draft.request_id = options.request_id();
  draft.skip_history = options.skip_history();
  draft.report = options.report();
  if (draft.request_id.size() > kMaxRequestIdBytes) {
    return FieldError("options.request_id", fmt::format("at most {} bytes", kMaxRequestIdBytes));
  }
  if (options.has_expected_position()) {
    if (draft.topics.size() > 1) {
      return FieldError("options.expected_position", "several users have several logs: publish to each");
    }
    wire::TopicKind kind = draft.topics.front().kind;
    if (kind == wire::TopicKind::kSession || kind == wire::TopicKind::kEveryone) {
      return FieldError("options.expected_position", "goes with a log: no log keeps messages to one session or to all");
    }
    if (draft.skip_history) return FieldError("options.expected_position", "goes with a log: not with skip_history");
    draft.expected.emplace();
    RETURN_IF_ERROR(ReadPosition("options.expected_position", options.expected_position(), &*draft.expected));
  }
  auto now = wire::WallClock::now();
  wire::Terms terms;
  RETURN_IF_ERROR(ReadTerms(options, now, &terms));
  terms.stream_subscribers_only = stream_subscribers_only;

  v1::Envelope envelope;
  RETURN_IF_ERROR(ReadPayload(event, max_publish_bytes_, &envelope));
  envelope.set_id(fmt::format("{}-{:010x}", boot_, next_id_.fetch_add(1, std::memory_order_relaxed)));
  envelope.set_stream(std::string(stream));
  envelope.set_event(event.name());
  *envelope.mutable_meta() = event.meta();
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
  envelope.mutable_time()->set_seconds(seconds.count());
  envelope.mutable_time()->set_nanos(static_cast<int32_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch() - seconds).count()));
  if (!draft.request_id.empty()) draft.fingerprint = FingerprintOf(event, stream, options);
  auto kept = AnyTerms(terms) ? std::make_shared<const wire::Terms>(std::move(terms)) : nullptr;
  draft.frame = wire::FramePtr(new wire::Frame(std::move(envelope), std::move(kept)));
  return draft;
}

StatusOr<Draft> Drafter::Read(const v1::BroadcastToUserRequest& request) {
  RETURN_IF_ERROR(CheckUser("user_id", request.user_id()));
  if (!request.stream().empty()) RETURN_IF_ERROR(CheckStream("stream", request.stream()));
  return Make({TopicOf(wire::TopicKind::kUser, request.user_id())}, request.event(),
              request.stream().empty() ? wire::kUserStream : request.stream(), request.options(),
              !request.stream().empty() && !request.any_session());
}

StatusOr<Draft> Drafter::Read(const v1::BroadcastToUsersRequest& request) {
  if (request.user_ids().empty()) return FieldError("user_ids", "at least one user is needed");
  if (request.user_ids_size() > kMaxUsers) return FieldError("user_ids", fmt::format("at most {} users", kMaxUsers));
  std::vector<wire::Topic> topics;
  absl::flat_hash_set<std::string_view> seen;
  for (int i = 0; i < request.user_ids_size(); ++i) {
    const std::string& user = request.user_ids(i);
    RETURN_IF_ERROR(CheckUser(fmt::format("user_ids[{}]", i), user));
    if (seen.insert(user).second) topics.push_back(TopicOf(wire::TopicKind::kUser, user));
  }
  if (!request.stream().empty()) RETURN_IF_ERROR(CheckStream("stream", request.stream()));
  return Make(std::move(topics), request.event(), request.stream().empty() ? wire::kUserStream : request.stream(),
              request.options(), !request.stream().empty() && !request.any_session());
}

StatusOr<Draft> Drafter::Read(const v1::BroadcastStreamRequest& request) {
  RETURN_IF_ERROR(CheckStream("stream", request.stream()));
  return Make({TopicOf(wire::TopicKind::kStream, request.stream())}, request.event(), request.stream(),
              request.options());
}

StatusOr<Draft> Drafter::Read(const v1::BroadcastAllRequest& request) {
  if (!request.stream().empty()) RETURN_IF_ERROR(CheckStream("stream", request.stream()));
  return Make({TopicOf(wire::TopicKind::kEveryone, "")}, request.event(),
              request.stream().empty() ? wire::kAllStream : request.stream(), request.options());
}

StatusOr<Draft> Drafter::Read(const v1::SendToSessionRequest& request) {
  RETURN_IF_ERROR(CheckSession("session_id", request.session_id()));
  if (!request.stream().empty()) RETURN_IF_ERROR(CheckStream("stream", request.stream()));
  return Make({TopicOf(wire::TopicKind::kSession, request.session_id())}, request.event(),
              request.stream().empty() ? wire::kSessionStream : request.stream(), request.options());
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
  ASSIGN_OR_RETURN(order.page_size, ReadPageSize(request.page_size()));
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

// --- Logs ------------------------------------------------------------------------------------------------------------

namespace {

template <class Request>
StatusOr<wire::Topic> ReadLogTarget(const Request& request) {
  switch (request.target_case()) {
    case Request::kStream:
      RETURN_IF_ERROR(CheckStream("stream", request.stream()));
      return TopicOf(wire::TopicKind::kStream, request.stream());
    case Request::kUserId:
      RETURN_IF_ERROR(CheckUser("user_id", request.user_id()));
      return TopicOf(wire::TopicKind::kUser, request.user_id());
    case Request::TARGET_NOT_SET:
      break;
  }
  return FieldError("target", "say whose log: stream or user_id");
}

}  // namespace

StatusOr<ReadOrder> ReadListMessages(const v1::ListMessagesRequest& request) {
  ReadOrder order;
  ASSIGN_OR_RETURN(order.topic, ReadLogTarget(request));
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

StatusOr<wire::Topic> ReadClearMessages(const v1::ClearMessagesRequest& request) {
  return ReadLogTarget(request);
}

// --- Keeping out -----------------------------------------------------------------------------------------------------

StatusOr<RevokeOrder> ReadRevokeTokens(const v1::RevokeTokensRequest& request,
                                       std::chrono::system_clock::time_point now) {
  RevokeOrder order;
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

StatusOr<BlockOrder> ReadBlockUser(const v1::BlockUserRequest& request) {
  RETURN_IF_ERROR(CheckUser("user_id", request.user_id()));
  BlockOrder order;
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

Status CheckUnblockUser(const v1::UnblockUserRequest& request) {
  return CheckUser("user_id", request.user_id());
}

StatusOr<BlockedOrder> ReadListBlockedUsers(const v1::ListBlockedUsersRequest& request) {
  BlockedOrder order;
  ASSIGN_OR_RETURN(order.page_size, ReadPageSize(request.page_size()));
  if (!request.page_token().empty() && !absl::WebSafeBase64Unescape(request.page_token(), &order.after)) {
    return FieldError("page_token", "not a next_page_token of this call");
  }
  return order;
}

std::string PageToken(std::string_view last_user) {
  return absl::WebSafeBase64Escape({last_user.data(), last_user.size()});
}

}  // namespace carillon::control
