#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "gateway/dialect/mood.h"
#include "gateway/dialect/native.h"
#include "gateway/wire/json_check.h"
#include "gateway/wire/topic.h"

// What clients say in the native dialect.
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

// What an "auth" frame says besides what the gateway reads of it.
std::string RestOf(const json::object& object) {
  json::object rest;
  for (const auto& [key, value] : object) {
    bool read = key == "action" || key == "id" || key == "token" || key == "recover" || key == "since";
    if (!read) rest.emplace(key, value);
  }
  return rest.empty() ? std::string() : json::serialize(rest);
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
    if (user == nullptr || !wire::CheckUserId({user->data(), user->size()}).ok())
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
  if (auto refusal = ReadMood(object, &set.mood)) return Bad(std::move(id), refusal->code, refusal->message);
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
    Auth auth{{}, std::string(token->data(), token->size()), {}, {}};
    if (Status status = ReadWanted(object, &auth.wanted); !status.ok()) {
      return Bad(std::move(id), "bad_recover", MessageOf(status));
    }
    auth.id = std::move(id);
    auth.rest = RestOf(object);
    if (!auth.rest.empty() && !wire::CheckJson(auth.rest).ok()) {
      return Bad(std::move(auth.id), "bad_data", "the frame holds a number that is too large to be passed on");
    }
    return auth;
  }
  if (*action == "publish") return ParsePublish(object, std::move(id));
  if (*action == "members") return ParseMembers(object, std::move(id));
  if (*action == "presence") return ParsePresence(object, std::move(id));
  return Bad(std::move(id), "unknown_action",
             "unknown \"action\": try subscribe, unsubscribe, ping, auth, publish, members or presence");
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

}  // namespace carillon::dialect
