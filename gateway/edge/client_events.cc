#include "gateway/edge/client_events.h"

#include <absl/time/time.h>
#include <fmt/format.h>

#include <boost/json.hpp>

#include "gateway/dialect/mood.h"
#include "gateway/edge/event_rates.h"
#include "gateway/edge/refusals.h"
#include "gateway/hub/session_events.h"
#include "gateway/hub/shard.h"
#include "gateway/wire/new_envelope.h"

namespace carillon::edge {
namespace {

namespace json = boost::json;

constexpr std::string_view kData = "data.";

dialect::Refusal BadData(std::string message) {
  return {"bad_data", std::move(message)};
}

// A text, or a whole number as one.
std::optional<std::string> TextOf(const json::value* value) {
  if (value == nullptr) return std::nullopt;
  if (const json::string* text = value->if_string()) return std::string(text->data(), text->size());
  if (value->is_int64() || value->is_uint64()) return json::serialize(*value);
  return std::nullopt;
}

// The stream that a template names; or what the client does not say for it.
std::variant<std::string, dialect::Refusal> StreamOf(const auth::EventRule& rule, const auth::App& app,
                                                     const auth::Identity* identity, const json::object& data) {
  std::string missing;
  bool theirs = false;  // what is missing would be the client's to say
  auto stream = auth::Expand(rule.stream, [&](std::string_view name) -> std::optional<std::string> {
    theirs = name.starts_with(kData);
    std::optional<std::string> value;
    if (theirs) {
      std::string_view field = name.substr(kData.size());
      value = TextOf(data.if_contains(json::string_view(field.data(), field.size())));
      if (value.has_value() && value->empty()) value.reset();
    } else if (identity != nullptr) {
      value = auth::ValueOf(*identity, name);
    }
    if (!value.has_value()) missing = name;
    return value;
  });
  if (stream.has_value()) return app.StreamNamed(*std::move(stream));
  if (theirs) return BadData(fmt::format("\"{}\" is missing: a text", missing));
  return Forbidden(identity);
}

// {"lastEventId":"9f3c-000000001a","since":1700000000000}, each of them or none; "since" may be 2026-01-31T12:00:00Z.
std::variant<dialect::Command, dialect::Refusal> SyncOf(const json::object& data) {
  dialect::Sync sync;
  if (const json::value* last = data.if_contains("lastEventId"); last != nullptr && !last->is_null()) {
    if (!last->is_string()) return BadData("\"lastEventId\" must be a text: \"id\" of a message's \"meta\"");
    sync.last_message.assign(last->get_string().data(), last->get_string().size());
  }
  if (const json::value* since = data.if_contains("since"); since != nullptr && !since->is_null()) {
    json::error_code error;
    absl::Time time;
    if (const json::string* text = since->if_string();
        text != nullptr && absl::ParseTime(absl::RFC3339_full, {text->data(), text->size()}, &time, nullptr)) {
      sync.time_ms = std::max<int64_t>(0, absl::ToUnixMillis(time));
    } else if (auto ms = since->is_number() ? since->to_number<uint64_t>(error) : 0;
               since->is_number() && !error && ms <= uint64_t{1} << 53) {
      sync.time_ms = static_cast<int64_t>(ms);
    } else {
      return BadData("\"since\" must be milliseconds since 1970, or a time such as 2026-01-31T12:00:00Z");
    }
  }
  return sync;
}

// What a backend makes of an event: changes it, or answers the client, who then gets nothing else; false then.
bool TakeVerdict(hub::Session& session, const Answers& known, const std::string& backend, dialect::Publish* event) {
  if (!known.event.has_value() || known.backend != backend) {
    Refuse(session, event->id, RulesHaveChanged());
  } else if (!known.event->ok()) {
    Refuse(session, event->id, Unanswered(known.event->status()));
  } else if (const auto* refusal = std::get_if<hooks::Refusal>(&**known.event)) {
    Refuse(session, event->id, Rejected(*refusal));
  } else if (const auto* answer = std::get_if<hooks::Answer>(&**known.event)) {
    session.Reply(dialect::Answer{event->id, event->event, answer->json});
  } else {
    Change(std::get<hooks::Accept>(**known.event), event);
    return true;
  }
  return false;
}

// Leaves it to whoever watches the app's feed.
void TellBackends(hub::Session& session, const dialect::Publish& event) {
  if (!session.shard().engine().feed().Records(session.app())) {
    return Refuse(session, event.id, {"unavailable", "no backend watches for events of this app", true});
  }
  dialect::PublishDone done{event.id, "", wire::NewMessageId(), std::nullopt};
  hub::RecordClientEvent(session, event.event, event.json, done.message_id);
  session.shard().stats().client_events.Add();
  if (!event.id.empty()) session.Reply(done);
}

}  // namespace

std::optional<dialect::Refusal> JudgeEvent(const auth::EventRule& rule, const auth::Identity* identity,
                                           const dialect::Publish& event) {
  if (rule.action == auth::EventAction::kRefuse || (identity == nullptr && !rule.anonymous)) return Forbidden(identity);
  if (event.json.size() <= rule.max_payload_bytes) return std::nullopt;
  return dialect::Refusal{"too_big", fmt::format("\"data\" has {} bytes, and at most {} are let through",
                                                 event.json.size(), rule.max_payload_bytes)};
}

Meaning MeaningOf(const auth::EventRule& rule, const auth::App& app, const auth::Identity* identity,
                  const dialect::Publish& event) {
  using Action = auth::EventAction;
  if (rule.action == Action::kFeed || rule.action == Action::kNone) return {};
  json::value value = json::parse(event.json);
  json::object none;
  const json::object& data = value.is_object() ? value.get_object() : none;
  if (rule.action == Action::kPresence) {
    dialect::SetMood set{event.id, "", {}};
    if (auto refusal = dialect::ReadMood(data, &set.mood)) return *std::move(refusal);
    return set;
  }
  if (rule.action == Action::kSync) {
    auto sync = SyncOf(data);
    if (auto* refusal = std::get_if<dialect::Refusal>(&sync)) return std::move(*refusal);
    auto& command = std::get<dialect::Command>(sync);
    std::get<dialect::Sync>(command).id = event.id;
    return std::move(command);
  }
  auto stream = StreamOf(rule, app, identity, data);
  if (auto* refusal = std::get_if<dialect::Refusal>(&stream)) return std::move(*refusal);
  std::string& name = std::get<std::string>(stream);
  switch (rule.action) {
    case Action::kPublish:
      return dialect::Publish{event.id, std::move(name), event.event, event.json, false};
    case Action::kSubscribe:
      return dialect::Subscribe{event.id, {std::move(name)}, {}, {}, {}};
    default:
      return dialect::Unsubscribe{event.id, {std::move(name)}};
  }
}

std::optional<dialect::Command> AnswerEvent(hub::Session& session, SessionState& state, const auth::App& app,
                                            LimitWarnings* warnings, const dialect::Publish& event, bool* forbidden,
                                            std::optional<Question>* question) {
  const auth::EventRule& rule = app.client_events.Find(event.event);
  auto refuse = [&](dialect::Refusal why) {
    *forbidden = why.code == "forbidden";
    Refuse(session, event.id, std::move(why));
    return std::nullopt;
  };
  if (auto refusal = JudgeEvent(rule, session.identity().get(), event)) return refuse(*std::move(refusal));
  if (state.known == nullptr) {
    Turn turn{fmt::format("event {}", rule.event), fmt::format("of {}", rule.event), rule.rate, "client_events[].rate"};
    if (auto refusal = TakeTurn(session, state, app, warnings, turn)) return refuse(*std::move(refusal));
    if (!rule.hook.empty()) {
      *question = WhatOf(app, session, rule.hook, event);
      return std::nullopt;
    }
  }
  dialect::Publish said = event;
  if (!rule.hook.empty() && !TakeVerdict(session, *state.known, rule.hook, &said)) return std::nullopt;
  Meaning meaning = MeaningOf(rule, app, session.identity().get(), said);
  if (auto* refusal = std::get_if<dialect::Refusal>(&meaning)) return refuse(std::move(*refusal));
  if (auto* command = std::get_if<dialect::Command>(&meaning)) return std::move(*command);
  if (rule.action == auth::EventAction::kFeed) {
    TellBackends(session, said);
  } else if (!event.id.empty()) {
    session.Reply(dialect::PublishDone{event.id, "", "", std::nullopt});
  }
  return std::nullopt;
}

}  // namespace carillon::edge
