#include "gateway/edge/presence_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "gateway/edge/event_rates.h"
#include "gateway/edge/refusals.h"
#include "gateway/hub/shard.h"

namespace carillon::edge {
namespace {

// Why a session hears nothing of who is in a stream; nothing where it does. Of streams that it does not listen to it
// does not learn whether there are any.
std::optional<dialect::Refusal> Judge(hub::Session& session, const std::string& stream) {
  if (Status status = wire::CheckStreamName(stream); !status.ok())
    return dialect::Refusal{"bad_stream", MessageOf(status)};
  if (!session.ListensToStream(stream)) return dialect::Refusal{"not_subscribed", "subscribe to the stream first"};
  if (!session.shard().engine().KeepsPresence(session.StreamTopic(stream))) {
    return dialect::Refusal{"no_presence", "it is not known who is in this stream (config: streams[].presence)"};
  }
  return std::nullopt;
}

// The streams of the session whose members are known.
std::vector<std::string> StreamsWithPresence(hub::Session& session) {
  std::vector<std::string> streams;
  for (const hub::Subscription& subscription : session.subscriptions()) {
    wire::TopicView topic = subscription.topic->interest->topic();
    if (topic.kind != wire::TopicKind::kStream) continue;
    if (session.shard().engine().KeepsPresence(topic)) streams.emplace_back(topic.name);
  }
  return streams;
}

}  // namespace

void AnswerMembers(hub::Session& session, const dialect::ListMembers& command) {
  if (auto refusal = Judge(session, command.stream)) return Refuse(session, command.id, *std::move(refusal));
  engine::Members members = session.shard().engine().presence().List(session.StreamTopic(command.stream), command.after,
                                                                     command.limit, false);
  dialect::Members reply{command.id, command.stream, members.count, members.counts_only, std::move(members.page), ""};
  if (members.more) reply.next = reply.members.back().user_id;
  session.Reply(reply);
}

void AnswerMood(hub::Session& session, SessionState& state, const auth::App& app, LimitWarnings* warnings,
                const dialect::SetMood& command) {
  auto refuse = [&](dialect::Refusal why) { Refuse(session, command.id, std::move(why)); };
  std::vector<std::string> streams;
  if (command.stream.empty()) {
    streams = StreamsWithPresence(session);
    if (streams.empty()) return refuse({"no_presence", "this session is in no stream where it is known who is there"});
  } else {
    if (auto refusal = Judge(session, command.stream)) return refuse(*std::move(refusal));
    streams.push_back(command.stream);
  }
  // One change of several streams counts once for each of their rules.
  std::vector<const auth::StreamAccess*> rules;
  for (const std::string& stream : streams) {
    const auth::StreamAccess* rule = &app.catalogue.Find(stream);
    if (std::find(rules.begin(), rules.end(), rule) != rules.end()) continue;
    rules.push_back(rule);
    Turn turn{fmt::format("presence {}", rule->pattern), "changes", rule->moods, "streams[].presence.updates"};
    if (auto refusal = TakeTurn(session, state, app, warnings, turn)) return refuse(*std::move(refusal));
  }
  dialect::MoodSet reply{command.id, {}};
  for (std::string& stream : streams) {
    wire::TopicView topic = session.StreamTopic(stream);
    // Where the rules are being changed, the session may not be among the members for a moment.
    if (session.shard().engine().presence().SetMood(topic, session.identity()->user_id, command.mood).ok()) {
      reply.streams.push_back(std::move(stream));
    }
  }
  session.Reply(reply);
}

}  // namespace carillon::edge
