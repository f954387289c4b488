#include "gateway/dialect/native.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "carillon/v1/codes.pb.h"
#include "gateway/base/check.h"
#include "gateway/base/json_escape.h"
#include "gateway/wire/code_words.h"
#include "gateway/wire/envelope_json.h"
#include "gateway/wire/json_check.h"
#include "gateway/wire/topic.h"

namespace carillon::dialect {
namespace {

namespace json = boost::json;

// More than anyone subscribes to in one message; a bound on the work that one frame can ask for.
constexpr size_t kMaxStreamsPerCommand = 1000;

// Each may cost a check of its signature.
constexpr size_t kMaxTokensPerCommand = 16;

// Ids are echoed, so they are kept short: a number, or a string of at most this many bytes as JSON.
constexpr size_t kMaxIdBytes = 64;
constexpr size_t kMaxEchoBytes = 1024;
constexpr size_t kMaxEventBytes = 128;

// Some 300 KB where every one of them says as much as it may, and all of it must be escaped.
constexpr size_t kMaxMembersPerPage = 100;

template <class... Kinds>
struct Overloaded : Kinds... {
  using Kinds::operator()...;
};
template <class... Kinds>
Overloaded(Kinds...) -> Overloaded<Kinds...>;  // C++20 does without; clang 14, which builds the fuzzers, does not

// --- Client to gateway -----------------------------------------------------------------------------------------------

Command Bad(RequestId id, std::string_view code, std::string message) {
  return Nonsense{std::move(id), code, std::move(message)};
}

// Reads "id": a number or a short string.
bool ReadId(const json::object& object, RequestId* id) {
  const json::value* value = object.if_contains("id");
  if (value == nullptr || value->is_null()) return true;
  if (!value->is_number() && !value->is_string()) return false;
  RequestId text = json::serialize(*value);
  if (text.size() > kMaxIdBytes || !wire::CheckJson(text).ok()) return false;  // 1e999 would come back as Infinity
  *id = std::move(text);
  return true;
}

// Reads "streams": a list of names; or one name. Names are judged one by one later, each with its own answer.
Status ReadStreams(const json::object& object, std::vector<std::string>* streams) {
  const json::value* value = object.if_contains("streams");
  if (value == nullptr) return InvalidArgument("\"streams\" is missing: a list of stream names");
  if (const json::string* one = value->if_string()) {
    streams->emplace_back(one->data(), one->size());
    return absl::OkStatus();
  }
  const json::array* list = value->if_array();
  if (list == nullptr) return InvalidArgument("\"streams\" must be a list of stream names");
  if (list->size() > kMaxStreamsPerCommand) {
    return InvalidArgument("\"streams\" may hold at most {} names", kMaxStreamsPerCommand);
  }
  for (const json::value& entry : *list) {
    const json::string* name = entry.if_string();
    if (name == nullptr) return InvalidArgument("\"streams\" must hold strings only");
    streams->emplace_back(name->data(), name->size());
  }
  return absl::OkStatus();
}

// A whole number that JSON's doubles hold (peers notes 5.2).
bool ReadCount(const json::value* value, uint64_t* count) {
  if (value == nullptr || !value->is_number()) return false;
  json::error_code error;
  *count = value->to_number<uint64_t>(error);
  return !error && *count <= uint64_t{1} << 53;
}

// {"epoch":"x","offset":41}
bool ReadPosition(const json::value& value, Wanted* wanted) {
  const json::object* object = value.if_object();
  const json::value* epoch = object == nullptr ? nullptr : object->if_contains("epoch");
  if (epoch == nullptr || !epoch->is_string() || epoch->get_string().size() > kMaxIdBytes) return false;
  wanted->kind = Wanted::Kind::kPosition;
  wanted->position.epoch.assign(epoch->get_string().data(), epoch->get_string().size());
  return ReadCount(object->if_contains("offset"), &wanted->position.offset);
}

// "latest", {"last":10}, {"time":1700000000000} or a position.
bool ReadSince(const json::value& value, Wanted* wanted) {
  if (const json::string* word = value.if_string()) {
    wanted->kind = Wanted::Kind::kLatest;
    return *word == "latest";
  }
  const json::object* object = value.if_object();
  if (object == nullptr || object->contains("last") + object->contains("time") + object->contains("epoch") != 1) {
    return false;
  }
  if (const json::value* last = object->if_contains("last")) {
    wanted->kind = Wanted::Kind::kLast;
    return ReadCount(last, &wanted->last);
  }
  if (const json::value* time = object->if_contains("time")) {
    wanted->kind = Wanted::Kind::kTime;
    uint64_t ms = 0;
    bool sound = ReadCount(time, &ms);
    wanted->time_ms = static_cast<int64_t>(ms);
    return sound;
  }
  return ReadPosition(value, wanted);
}

// Reads "recover" (a position for each stream) and "since" (for the others).
Status ReadWanted(const json::object& object, WantedByStream* wanted) {
  if (const json::value* recover = object.if_contains("recover"); recover != nullptr && !recover->is_null()) {
    const json::object* streams = recover->if_object();
    if (streams == nullptr || streams->size() > kMaxStreamsPerCommand) {
      return InvalidArgument("\"recover\" must be an object of positions by stream");
    }
    for (const auto& [name, position] : *streams) {
      if (!ReadPosition(position, &wanted->streams[std::string(name.data(), name.size())])) {
        return InvalidArgument("\"recover\" must hold positions: {{\"epoch\":\"…\",\"offset\":41}}");
      }
    }
  }
  if (const json::value* since = object.if_contains("since"); since != nullptr && !since->is_null()) {
    if (!ReadSince(*since, &wanted->otherwise)) {
      return InvalidArgument("\"since\" must be \"latest\", {{\"last\":10}}, {{\"time\":milliseconds}} or a position");
    }
  }
  return absl::OkStatus();
}

// Reads "filter": {"events":["a","b.*"],"meta":{"room":"5"}}.
Status ReadFilter(const json::object& object, wire::Filter* filter) {
  const json::value* value = object.if_contains("filter");
  if (value == nullptr || value->is_null()) return absl::OkStatus();
  const json::object* parts = value->if_object();
  if (parts == nullptr) return InvalidArgument("\"filter\" must be an object with \"events\" or \"meta\"");
  for (const auto& [name, part] : *parts) {
    if (name == "events" && part.is_array() && part.get_array().size() <= wire::Filter::kMaxEvents) {
      for (const json::value& event : part.get_array()) {
        const json::string* text = event.if_string();
        size_t star = text == nullptr ? 0 : text->find('*');
        if (text == nullptr || text->empty() || (star != json::string::npos && star + 1 < text->size())) {
          return InvalidArgument("\"filter.events\" must hold names, or beginnings of names with a * at the end");
        }
        filter->events.emplace_back(text->data(), text->size());
      }
    } else if (name == "meta" && part.is_object() && part.get_object().size() <= wire::Filter::kMaxMeta) {
      for (const auto& [key, wanted] : part.get_object()) {
        const json::string* text = wanted.if_string();
        if (text == nullptr) {
          return InvalidArgument("\"filter.meta\" must hold strings");
        }
        filter->meta.emplace(std::string(key.data(), key.size()), std::string(text->data(), text->size()));
      }
    } else {
      return InvalidArgument(
          "\"filter\" holds \"events\", a list of at most {} names, and \"meta\", an object of at most {} strings",
          wire::Filter::kMaxEvents, wire::Filter::kMaxMeta);
    }
  }
  if (filter->bytes() > wire::Filter::kMaxBytes) {
    return InvalidArgument("\"filter\" may hold at most {} bytes", wire::Filter::kMaxBytes);
  }
  return absl::OkStatus();
}

// Reads "tokens": {"private-a":"eyJ…"}.
Status ReadTokens(const json::object& object, StringMap<std::string>* tokens) {
  const json::value* value = object.if_contains("tokens");
  if (value == nullptr || value->is_null()) return absl::OkStatus();
  const json::object* by_stream = value->if_object();
  if (by_stream == nullptr || by_stream->size() > kMaxTokensPerCommand) {
    return InvalidArgument("\"tokens\" must be an object of at most {} tokens by stream", kMaxTokensPerCommand);
  }
  for (const auto& [stream, token] : *by_stream) {
    const json::string* text = token.if_string();
    if (text == nullptr) return InvalidArgument("\"tokens\" must hold strings");
    tokens->insert_or_assign(std::string(stream.data(), stream.size()), std::string(text->data(), text->size()));
  }
  return absl::OkStatus();
}

// Reads the name of a stream; it is judged later.
bool ReadStream(const json::object& object, std::string* stream) {
  const json::value* value = object.if_contains("stream");
  if (value == nullptr) return true;
  const json::string* name = value->if_string();
  if (name != nullptr) stream->assign(name->data(), name->size());
  return name != nullptr;
}

// {"action":"publish","stream":"chat","event":"message","data":…,"echo":false}
Command ParsePublish(const json::object& object, RequestId id) {
  Publish publish;
  if (!ReadStream(object, &publish.stream)) return Bad(std::move(id), "bad_stream", "\"stream\" must be a string");
  const json::value* event = object.if_contains("event");
  const json::string* name = event == nullptr ? nullptr : event->if_string();
  bool sound = name != nullptr && !name->empty() && name->size() <= kMaxEventBytes &&
               std::none_of(name->begin(), name->end(),
                            [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  if (!sound) {
    return Bad(std::move(id), "bad_event",
               fmt::format("\"event\" must be a name of 1 to {} bytes without control characters", kMaxEventBytes));
  }
  publish.event.assign(name->data(), name->size());
  const json::value* data = object.if_contains("data");
  publish.json = data == nullptr ? "null" : json::serialize(*data);
  if (!wire::CheckJson(publish.json).ok()) {
    return Bad(std::move(id), "bad_data", "\"data\" holds a number that is too large to be sent on");
  }
  if (const json::value* echo = object.if_contains("echo")) {
    if (!echo->is_bool()) return Bad(std::move(id), "bad_data", "\"echo\" must be true or false");
    publish.to_sender = echo->get_bool();
  }
  publish.id = std::move(id);
  return publish;
}

// {"action":"members","stream":"presence-room","after":"u1","limit":100}
Command ParseMembers(const json::object& object, RequestId id) {
  ListMembers list;
  if (!ReadStream(object, &list.stream)) return Bad(std::move(id), "bad_stream", "\"stream\" must be a string");
  if (const json::value* after = object.if_contains("after"); after != nullptr && !after->is_null()) {
    const json::string* user = after->if_string();
    if (user == nullptr)
      return Bad(std::move(id), "bad_after", "\"after\" must be a user's id: \"next\" of the page before");
    list.after.assign(user->data(), user->size());
  }
  if (const json::value* limit = object.if_contains("limit"); limit != nullptr && !limit->is_null()) {
    uint64_t count = 0;
    if (!ReadCount(limit, &count) || count == 0) {
      return Bad(std::move(id), "bad_limit",
                 fmt::format("\"limit\" must be a number from 1 to {}", kMaxMembersPerPage));
    }
    list.limit = static_cast<size_t>(std::min<uint64_t>(count, kMaxMembersPerPage));
  }
  list.id = std::move(id);
  return list;
}

// {"action":"presence","status":"away","text":"lunch","stream":"presence-room"}
Command ParsePresence(const json::object& object, RequestId id) {
  SetMood set;
  if (!ReadStream(object, &set.stream)) return Bad(std::move(id), "bad_stream", "\"stream\" must be a string");
  using wire::Availability;
  const json::value* value = object.if_contains("status");
  const json::string* status = value == nullptr ? nullptr : value->if_string();
  bool known = value == nullptr;
  for (Availability each : {Availability::kOnline, Availability::kAway, Availability::kBusy}) {
    if (status == nullptr || std::string_view(status->data(), status->size()) != wire::NameOf(each)) continue;
    set.mood.availability = each;
    known = true;
  }
  if (!known) return Bad(std::move(id), "bad_status", "\"status\" must be \"online\", \"away\" or \"busy\"");
  if (const json::value* text = object.if_contains("text"); text != nullptr && !text->is_null()) {
    const json::string* words = text->if_string();
    if (words == nullptr || words->size() > wire::Mood::kMaxTextBytes) {
      return Bad(std::move(id), "bad_text",
                 fmt::format("\"text\" must be a string of at most {} bytes", wire::Mood::kMaxTextBytes));
    }
    set.mood.text.assign(words->data(), words->size());
  }
  set.id = std::move(id);
  return set;
}

Command ParseObject(const json::object& object) {
  RequestId id;
  if (!ReadId(object, &id)) {
    return Bad({}, "bad_id", fmt::format("\"id\" must be a number or a string of at most {} bytes", kMaxIdBytes));
  }
  const json::value* action_value = object.if_contains("action");
  const json::string* action = action_value == nullptr ? nullptr : action_value->if_string();
  if (action == nullptr)
    return Bad(std::move(id), "bad_action", "\"action\" is missing: a string such as \"subscribe\"");

  if (*action == "subscribe" || *action == "unsubscribe") {
    std::vector<std::string> streams;
    if (Status status = ReadStreams(object, &streams); !status.ok()) {
      return Bad(std::move(id), "bad_streams", MessageOf(status));
    }
    if (*action == "subscribe") {
      Subscribe subscribe{{}, std::move(streams), {}, {}, {}};
      if (Status status = ReadWanted(object, &subscribe.wanted); !status.ok()) {
        return Bad(std::move(id), "bad_recover", MessageOf(status));
      }
      if (Status status = ReadFilter(object, &subscribe.filter); !status.ok()) {
        return Bad(std::move(id), "bad_filter", MessageOf(status));
      }
      if (Status status = ReadTokens(object, &subscribe.tokens); !status.ok()) {
        return Bad(std::move(id), "bad_token", MessageOf(status));
      }
      subscribe.id = std::move(id);
      return subscribe;
    }
    return Unsubscribe{std::move(id), std::move(streams)};
  }
  if (*action == "ping") {
    std::string echo;
    if (const json::value* data = object.if_contains("data")) echo = json::serialize(*data);
    if (echo.size() > kMaxEchoBytes) {
      return Bad(std::move(id), "too_big", fmt::format("\"data\" of a ping has at most {} bytes", kMaxEchoBytes));
    }
    if (!echo.empty() && !wire::CheckJson(echo).ok()) {
      return Bad(std::move(id), "bad_data", "\"data\" holds a number that is too large to be sent back");
    }
    return Ping{std::move(id), std::move(echo)};
  }
  if (*action == "auth") {
    const json::value* token_value = object.if_contains("token");
    const json::string* token = token_value == nullptr ? nullptr : token_value->if_string();
    if (token == nullptr) return Bad(std::move(id), "bad_token", "\"token\" is missing: a string");
    Auth auth{{}, std::string(token->data(), token->size()), {}};
    if (Status status = ReadWanted(object, &auth.wanted); !status.ok()) {
      return Bad(std::move(id), "bad_recover", MessageOf(status));
    }
    auth.id = std::move(id);
    return auth;
  }
  if (*action == "publish") return ParsePublish(object, std::move(id));
  if (*action == "members") return ParseMembers(object, std::move(id));
  if (*action == "presence") return ParsePresence(object, std::move(id));
  return Bad(std::move(id), "unknown_action",
             "unknown \"action\": try subscribe, unsubscribe, ping, auth, publish, members or presence");
}

// --- Gateway to client -----------------------------------------------------------------------------------------------

void AppendStreams(std::string& out, const std::vector<std::string>& streams) {
  out.push_back('[');
  for (size_t i = 0; i < streams.size(); ++i) {
    if (i > 0) out.push_back(',');
    AppendJsonString(out, streams[i]);
  }
  out.push_back(']');
}

void AppendRefusal(std::string& out, const Refusal& why) {
  CARILLON_DCHECK(wire::NumberOf(*v1::ClientErrorCode_descriptor(), why.code) != 0);
  out.append(R"("code":)");
  AppendJsonString(out, why.code);
  out.append(R"(,"message":)");
  AppendJsonString(out, why.message);
  out.append(why.temporary ? R"(,"temporary":true)" : R"(,"temporary":false)");
  if (why.retry_after_ms > 0) fmt::format_to(std::back_inserter(out), R"(,"retry_after_ms":{})", why.retry_after_ms);
}

void AppendRefusedStreams(std::string& out, const std::vector<RefusedStream>& refused) {
  out.push_back('[');
  for (size_t i = 0; i < refused.size(); ++i) {
    out.append(i > 0 ? R"(,{"stream":)" : R"({"stream":)");
    AppendJsonString(out, refused[i].stream);
    out.push_back(',');
    AppendRefusal(out, refused[i].why);
    out.push_back('}');
  }
  out.push_back(']');
}

std::string_view WordOf(Recovered recovered) {
  switch (recovered) {
    case Recovered::kNotAsked:
      break;
    case Recovered::kOk:
      return "ok";
    case Recovered::kEpochChanged:
      return "epoch_changed";
    case Recovered::kTrimmed:
      return "trimmed";
    case Recovered::kTooFar:
      return "too_far";
    case Recovered::kDisabled:
      return "disabled";
    case Recovered::kRevoked:
      return "revoked";
  }
  return "";
}

// ,"logs":{"chat":{"epoch":"x","offset":41,"top":44,"recovered":true,"reason":"ok"}}
void AppendLogs(std::string& out, const std::vector<LogState>& logs) {
  out.append(R"(,"logs":{)");
  for (size_t i = 0; i < logs.size(); ++i) {
    const LogState& log = logs[i];
    if (i > 0) out.push_back(',');
    AppendJsonString(out, log.log);
    out.append(":{");
    if (!log.at.epoch.empty()) {
      out.append(R"("epoch":)");
      AppendJsonString(out, log.at.epoch);
      fmt::format_to(std::back_inserter(out), R"(,"offset":{},"top":{})", log.at.offset, log.top);
    }
    if (log.recovered != Recovered::kNotAsked) {
      if (!log.at.epoch.empty()) out.push_back(',');
      fmt::format_to(std::back_inserter(out), R"("recovered":{},"reason":"{}")", log.recovered == Recovered::kOk,
                     WordOf(log.recovered));
    }
    out.push_back('}');
  }
  out.push_back('}');
}

void AppendUser(std::string& out, const UserInfo& user) {
  out.append(R"({"id":)");
  AppendJsonString(out, user.id);
  out.append(R"(,"name":)");
  AppendJsonString(out, user.name);
  out.append(R"(,"roles":[)");
  for (size_t i = 0; i < user.roles.size(); ++i) {
    if (i > 0) out.push_back(',');
    AppendJsonString(out, user.roles[i]);
  }
  out.append("]}");
}

void AppendData(std::string& out, const Welcome& welcome) {
  out.append(R"({"session":)");
  AppendJsonString(out, welcome.session);
  out.append(R"(,"user":)");
  if (welcome.user.has_value()) {
    AppendUser(out, *welcome.user);
  } else {
    out.append("null");
  }
  out.append(R"(,"streams":)");
  AppendStreams(out, welcome.streams);
  out.append(R"(,"refused":)");
  AppendRefusedStreams(out, welcome.refused);
  AppendLogs(out, welcome.logs);
  out.append(R"(,"resume":)");
  AppendJsonString(out, welcome.resume);
  fmt::format_to(std::back_inserter(out),
                 R"(,"heartbeat":{{"interval_ms":{},"timeout_ms":{}}},"limits":{{"max_message_bytes":{},)"
                 R"("max_subscriptions":{}}},"server_time":{}}})",
                 welcome.ping_interval_ms, welcome.peer_timeout_ms, welcome.max_message_bytes,
                 welcome.max_subscriptions, welcome.server_time_ms);
}

void AppendData(std::string& out, const Subscribed& reply) {
  out.append(R"({"streams":)");
  AppendStreams(out, reply.streams);
  out.append(R"(,"refused":)");
  AppendRefusedStreams(out, reply.refused);
  AppendLogs(out, reply.logs);
  out.push_back('}');
}

void AppendData(std::string& out, const Unsubscribed& reply) {
  out.append(R"({"streams":)");
  AppendStreams(out, reply.streams);
  out.push_back('}');
}

void AppendData(std::string& out, const PublishDone& reply) {
  out.append(R"({"stream":)");
  AppendJsonString(out, reply.stream);
  out.append(R"(,"message_id":)");
  AppendJsonString(out, reply.message_id);
  if (reply.position.has_value()) {
    out.append(R"(,"epoch":)");
    AppendJsonString(out, reply.position->epoch);
    fmt::format_to(std::back_inserter(out), R"(,"offset":{})", reply.position->offset);
  }
  out.push_back('}');
}

void AppendData(std::string& out, const Members& reply) {
  out.append(R"({"stream":)");
  AppendJsonString(out, reply.stream);
  fmt::format_to(std::back_inserter(out), R"(,"count":{},"counts_only":{},"members":[)", reply.count,
                 reply.counts_only);
  for (size_t i = 0; i < reply.members.size(); ++i) {
    if (i > 0) out.push_back(',');
    wire::AppendMemberJson(out, reply.members[i]);
  }
  out.push_back(']');
  if (!reply.next.empty()) {
    out.append(R"(,"next":)");
    AppendJsonString(out, reply.next);
  }
  out.push_back('}');
}

void AppendData(std::string& out, const MoodSet& reply) {
  out.append(R"({"streams":)");
  AppendStreams(out, reply.streams);
  out.push_back('}');
}

void AppendData(std::string& out, const Pong& reply) {
  out.append(reply.echo.empty() ? "{}" : R"({"echo":)");
  if (!reply.echo.empty()) out.append(reply.echo).push_back('}');
}

void AppendData(std::string& out, const Authenticated& reply) {
  out.append(R"({"user":)");
  AppendUser(out, reply.user);
  out.append(R"(,"streams":)");
  AppendStreams(out, reply.streams);
  out.append(R"(,"refused":)");
  AppendRefusedStreams(out, reply.refused);
  AppendLogs(out, reply.logs);
  out.push_back('}');
}

void AppendData(std::string& out, const Error& reply) {
  out.push_back('{');
  AppendRefusal(out, reply.why);
  out.push_back('}');
}

void AppendData(std::string& out, const TokenExpiring& reply) {
  fmt::format_to(std::back_inserter(out), R"({{"expires_in_ms":{}}})", reply.expires_in_ms);
}

void AppendData(std::string& out, const Restart& reply) {
  fmt::format_to(std::back_inserter(out), R"({{"retry_after_ms":{}}})", reply.retry_after_ms);
}

void AppendData(std::string& out, const wire::Skip& skip) {
  constexpr std::string_view kNames[] = {"filtered", "excluded", "expired", "conflated", "dropped"};
  static_assert(std::size(kNames) == wire::kSkipReasons);
  out.append(R"({"stream":)");
  AppendJsonString(out, skip.log);
  if (!skip.to.epoch.empty()) {
    out.append(R"(,"epoch":)");
    AppendJsonString(out, skip.to.epoch);
    fmt::format_to(std::back_inserter(out), R"(,"offset":{})", skip.to.offset);
    if (skip.covers > skip.to.offset) fmt::format_to(std::back_inserter(out), R"(,"covers":{})", skip.covers);
  }
  for (size_t i = 0; i < wire::kSkipReasons; ++i) {
    if (skip.counts.of[i] > 0) {
      fmt::format_to(std::back_inserter(out), R"(,"{}":{})", kNames[i], skip.counts.of[i]);
    }
  }
  out.push_back('}');
}

std::string_view EventOf(const Reply& reply) {
  return std::visit(Overloaded{
                        [](const Welcome&) -> std::string_view { return "welcome"; },
                        [](const Subscribed&) -> std::string_view { return "subscribed"; },
                        [](const Unsubscribed&) -> std::string_view { return "unsubscribed"; },
                        [](const PublishDone&) -> std::string_view { return "published"; },
                        [](const Members&) -> std::string_view { return "members"; },
                        [](const MoodSet&) -> std::string_view { return "presence"; },
                        [](const Pong&) -> std::string_view { return "pong"; },
                        [](const Authenticated&) -> std::string_view { return "authenticated"; },
                        [](const Error&) -> std::string_view { return "error"; },
                        [](const TokenExpiring&) -> std::string_view { return "token_expiring"; },
                        [](const Restart&) -> std::string_view { return "restart"; },
                        [](const wire::Skip&) -> std::string_view { return "skip"; },
                    },
                    reply);
}

template <class T>
concept HasId = requires(const T& reply) {
  reply.id;
};

// The id of the request that a reply answers; replies without one are notices.
std::string_view IdOf(const Reply& reply) {
  return std::visit(
      [](const auto& kind) -> std::string_view {
        if constexpr (HasId<decltype(kind)>) {
          return kind.id;
        } else {
          return {};
        }
      },
      reply);
}

}  // namespace

Command NativeDialect::Parse(wire::Opcode opcode, std::string_view payload) const {
  if (opcode != wire::Opcode::kText) return Refused{wire::CloseCode::kUnsupportedData};
  // Most commands fit here, so that parsing them allocates nothing.
  unsigned char buffer[2048];
  json::monotonic_resource memory(buffer, sizeof buffer);
  json::parse_options options;
  options.max_depth = wire::kMaxJsonDepth;
  json::error_code error;
  json::value value = json::parse(json::string_view(payload.data(), payload.size()), error, &memory, options);
  if (error) return Bad({}, "not_json", fmt::format("not JSON: {}", error.message()));
  const json::object* object = value.if_object();
  if (object == nullptr) return Bad({}, "not_object", "a message must be a JSON object with an \"action\"");
  return ParseObject(*object);
}

void NativeDialect::AppendReply(std::string& out, const Reply& reply) const {
  std::string text = R"({"stream":"system","event":")";
  text.append(EventOf(reply));
  text.append(R"(","data":)");
  std::visit([&](const auto& kind) { AppendData(text, kind); }, reply);
  text.append(R"(,"meta":{}})");
  if (std::string_view id = IdOf(reply); !id.empty()) {
    text.pop_back();
    text.append(R"(,"id":)").append(id).push_back('}');
  }
  wire::AppendFrame(out, wire::Opcode::kText, text);
}

void NativeDialect::AppendEnvelopeText(const v1::Envelope& envelope, std::string& out) {
  out.reserve(out.size() + envelope.json().size() + envelope.binary().size() * 4 / 3 + 160);
  out.append(R"({"stream":)");
  AppendJsonString(out, envelope.stream());
  out.append(R"(,"event":)");
  AppendJsonString(out, envelope.event());
  out.append(R"(,"data":)");
  wire::AppendPayloadJson(out, envelope);
  out.append(R"(,"meta":)");
  wire::AppendMetaJson(out, envelope);
  out.push_back('}');
}

void NativeDialect::AppendEnvelope(const v1::Envelope& envelope, std::string& out) {
  std::string text;
  AppendEnvelopeText(envelope, text);
  wire::AppendFrame(out, wire::Opcode::kText, text);
}

}  // namespace carillon::dialect
