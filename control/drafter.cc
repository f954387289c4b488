#include "control/drafter.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "absl/container/flat_hash_set.h"
#include "control/field_checks.h"
#include "control/payload.h"
#include "gateway/wire/new_envelope.h"

namespace carillon::control {
namespace {

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

bool IsMetaKey(std::string_view key) {
  return !key.empty() && key.size() <= kMaxMetaKeyBytes && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
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

// The stream whose subscribers alone a message to users is for; empty: it is for all of their sessions.
template <class Request>
std::string NarrowedBy(const Request& request) {
  return request.any_session() ? "" : request.stream();
}

// The stream that a message is said to be of; `otherwise` where the request names none.
template <class Request>
StatusOr<std::string> StreamSaid(const Request& request, const Caller& caller, std::string_view otherwise) {
  if (request.stream().empty()) return std::string(otherwise);
  RETURN_IF_ERROR(CheckStream("stream", request.stream()));
  ASSIGN_OR_RETURN(const auth::App* app, caller.AppOf(request.app()));
  return app->StreamNamed(request.stream());
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

}  // namespace

StatusOr<Draft> Drafter::Make(const Caller& caller, std::vector<wire::Topic> topics, const v1::Event& event,
                              const std::string& stream, const v1::PublishOptions& options,
                              bool stream_subscribers_only) {
  RETURN_IF_ERROR(CheckEventName(event.name()));
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

  v1::Envelope envelope = wire::NewEnvelope(stream, event.name(), now);
  schema::Registry& schemas = *caller.AppOf(draft.topics.front()).schemas;
  RETURN_IF_ERROR(ReadPayload(event, stream, schemas, max_publish_bytes_, &envelope));
  *envelope.mutable_meta() = event.meta();
  if (!draft.request_id.empty()) draft.fingerprint = FingerprintOf(event, stream, options);
  auto kept = AnyTerms(terms) ? std::make_shared<const wire::Terms>(std::move(terms)) : nullptr;
  draft.frame = wire::FramePtr(new wire::Frame(std::move(envelope), std::move(kept)));
  return draft;
}

StatusOr<Draft> Drafter::Read(const v1::BroadcastToUserRequest& request, const Caller& caller) {
  RETURN_IF_ERROR(CheckUser("user_id", request.user_id()));
  ASSIGN_OR_RETURN(std::string stream, StreamSaid(request, caller, wire::kUserStream));
  ASSIGN_OR_RETURN(wire::Topic topic,
                   caller.TopicOf(request.app(), wire::TopicKind::kUser, request.user_id(), NarrowedBy(request)));
  return Make(caller, {std::move(topic)}, request.event(), stream, request.options(), !NarrowedBy(request).empty());
}

StatusOr<Draft> Drafter::Read(const v1::BroadcastToUsersRequest& request, const Caller& caller) {
  if (request.user_ids().empty()) return FieldError("user_ids", "at least one user is needed");
  if (request.user_ids_size() > kMaxUsers) return FieldError("user_ids", fmt::format("at most {} users", kMaxUsers));
  std::vector<wire::Topic> topics;
  absl::flat_hash_set<std::string_view> seen;
  for (int i = 0; i < request.user_ids_size(); ++i) {
    const std::string& user = request.user_ids(i);
    RETURN_IF_ERROR(CheckUser(fmt::format("user_ids[{}]", i), user));
    if (!seen.insert(user).second) continue;
    ASSIGN_OR_RETURN(wire::Topic topic,
                     caller.TopicOf(request.app(), wire::TopicKind::kUser, user, NarrowedBy(request)));
    topics.push_back(std::move(topic));
  }
  ASSIGN_OR_RETURN(std::string stream, StreamSaid(request, caller, wire::kUserStream));
  return Make(caller, std::move(topics), request.event(), stream, request.options(), !NarrowedBy(request).empty());
}

StatusOr<Draft> Drafter::Read(const v1::BroadcastStreamRequest& request, const Caller& caller) {
  RETURN_IF_ERROR(CheckStream("stream", request.stream()));
  ASSIGN_OR_RETURN(wire::Topic topic, caller.TopicOf(request.app(), wire::TopicKind::kStream, request.stream()));
  std::string stream = topic.name;
  return Make(caller, {std::move(topic)}, request.event(), stream, request.options());
}

StatusOr<Draft> Drafter::Read(const v1::BroadcastAllRequest& request, const Caller& caller) {
  ASSIGN_OR_RETURN(std::string stream, StreamSaid(request, caller, wire::kAllStream));
  ASSIGN_OR_RETURN(wire::Topic topic, caller.TopicOf(request.app(), wire::TopicKind::kEveryone, ""));
  return Make(caller, {std::move(topic)}, request.event(), stream, request.options());
}

StatusOr<Draft> Drafter::Read(const v1::SendToSessionRequest& request, const Caller& caller) {
  RETURN_IF_ERROR(CheckSession("session_id", request.session_id()));
  ASSIGN_OR_RETURN(std::string stream, StreamSaid(request, caller, wire::kSessionStream));
  ASSIGN_OR_RETURN(wire::Topic topic, caller.TopicOf(request.app(), wire::TopicKind::kSession, request.session_id()));
  return Make(caller, {std::move(topic)}, request.event(), stream, request.options());
}

StatusOr<Draft> Drafter::Read(const v1::PublishItem& item, const Caller& caller) {
  switch (item.target_case()) {
    case v1::PublishItem::kBroadcastStream:
      return Read(item.broadcast_stream(), caller);
    case v1::PublishItem::kBroadcastToUser:
      return Read(item.broadcast_to_user(), caller);
    case v1::PublishItem::kBroadcastToUsers:
      return Read(item.broadcast_to_users(), caller);
    case v1::PublishItem::kBroadcastAll:
      return Read(item.broadcast_all(), caller);
    case v1::PublishItem::kSendToSession:
      return Read(item.send_to_session(), caller);
    case v1::PublishItem::TARGET_NOT_SET:
      break;
  }
  return FieldError("target", "an item needs a target");
}

}  // namespace carillon::control
