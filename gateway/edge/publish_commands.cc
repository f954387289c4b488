#include "gateway/edge/publish_commands.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "gateway/edge/event_rates.h"
#include "gateway/edge/refusals.h"
#include "gateway/hub/shard.h"
#include "gateway/schema/registry.h"
#include "gateway/wire/new_envelope.h"

namespace carillon::edge {
namespace {

// Who published a message that a client did, as its annotation says; and events that only the gateway publishes.
constexpr char kFrom[] = "from";
constexpr std::string_view kOwnEvents = "presence.";

constexpr uint32_t kOverloadedWaitMs = 100;

// As a backend's message, but for who says so: the sender's user, and what the stream's rule imposes.
void Send(hub::Session& session, const dialect::Publish& command, const std::map<std::string, std::string>& meta) {
  v1::Envelope envelope = wire::NewEnvelope(command.stream, command.event, wire::WallClock::now());
  envelope.set_json(command.json);
  envelope.mutable_meta()->insert(meta.begin(), meta.end());
  if (session.identity() != nullptr) (*envelope.mutable_meta())[kFrom] = session.identity()->user_id;
  std::shared_ptr<wire::Terms> terms;
  if (!command.to_sender) {
    terms = std::make_shared<wire::Terms>();
    terms->excluded_sessions.push_back(session.id());
  }
  dialect::PublishDone done{command.id, command.stream, envelope.id(), std::nullopt};
  engine::Publication publication{session.StreamTopic(command.stream),
                                  wire::FramePtr(new wire::Frame(std::move(envelope), std::move(terms)))};
  auto published = session.shard().engine().Publish(publication);
  if (!published.ok()) {
    return Refuse(session, command.id, {"overloaded", MessageOf(published.status()), true, kOverloadedWaitMs});
  }
  session.shard().stats().published.Add();
  done.position = published->position;
  if (!command.id.empty()) session.Reply(done);
}

// Why the payload is not what the event is bound to, or nothing; it is then as it is published.
std::optional<dialect::Refusal> CheckType(schema::Registry& schemas, dialect::Publish* said) {
  std::shared_ptr<const schema::Schemas> now = schemas.Get();
  const schema::Binding* bound = now == nullptr ? nullptr : now->Find(said->stream, said->event);
  if (bound == nullptr) return std::nullopt;
  schema::Checked checked = now->CheckJson(bound->type, said->json);
  schemas.Count(checked.ok());
  if (checked.type_unknown) return dialect::Refusal{"bad_data", "the type of this event is not there now", true};
  if (checked.ok()) {
    said->json = std::move(checked.json);
    return std::nullopt;
  }
  const schema::Violation& first = checked.violations.front();
  std::string field = first.field.empty() ? "data" : fmt::format("data.{}", first.field);
  return dialect::Refusal{"bad_data", fmt::format("{}: {}", field, first.description)};
}

}  // namespace

bool AnswerPublish(hub::Session& session, SessionState& state, const auth::App& app, LimitWarnings* warnings,
                   const dialect::Publish& command, std::optional<Question>* question) {
  auto refuse = [&](dialect::Refusal why) {
    Refuse(session, command.id, std::move(why));
    return false;
  };
  if (Status status = wire::CheckStreamName(command.stream); !status.ok()) {
    return refuse({"bad_stream", MessageOf(status)});
  }
  const auth::StreamAccess& rule = app.catalogue.Find(command.stream);
  if (rule.reserved) return refuse(Reserved());
  const auth::Identity* identity = session.identity().get();
  auto imposed = rule.FilterFor(identity);
  const auth::ClientEventRule* event = rule.FindEvent(command.event);
  // A grant is for listening, unless the rule says that it is for this as well.
  bool granted = rule.publish.who == auth::Access::Who::kGranted && auth::Grants(identity, command.stream);
  bool may = imposed.has_value() && rule.publish.Allows(command.stream, identity, granted);
  if (!may || event == nullptr || command.event.starts_with(kOwnEvents)) {
    refuse(may ? dialect::Refusal{"forbidden", "this event may not be published here"} : Forbidden(identity));
    return true;
  }
  if (command.json.size() > rule.max_payload_bytes) {
    return refuse({"too_big", fmt::format("\"data\" has {} bytes here, and at most {} are let through",
                                          command.json.size(), rule.max_payload_bytes)});
  }
  dialect::Publish said = command;
  if (state.known == nullptr) {
    Turn turn{fmt::format("publish {} {}", rule.pattern, event->event), fmt::format("of {}", event->event), event->rate,
              "streams[].publish.events[].rate"};
    if (auto refusal = TakeTurn(session, state, app, warnings, turn)) return refuse(*std::move(refusal));
  } else if (!rule.publish_hook.empty()) {
    if (!state.known->publish.has_value() || state.known->backend != rule.publish_hook)
      return refuse(RulesHaveChanged());
    const auto& verdict = *state.known->publish;
    if (!verdict.ok()) return refuse(Unanswered(verdict.status()));
    if (const auto* refusal = std::get_if<hooks::Refusal>(&*verdict)) return refuse(Rejected(*refusal));
    Change(std::get<hooks::Accept>(*verdict), &said);
  }
  if (auto refusal = CheckType(*app.schemas, &said)) return refuse(*std::move(refusal));
  if (state.known == nullptr && !rule.publish_hook.empty()) {
    *question = MayPublish(app, session, rule.publish_hook, said);
    return false;
  }
  Send(session, said, *imposed);
  return false;
}

}  // namespace carillon::edge
