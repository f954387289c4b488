#include "gateway/edge/command_handler.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "gateway/base/log.h"
#include "gateway/edge/handshake.h"
#include "gateway/hub/shard.h"

namespace carillon::edge {
namespace {

wire::TopicView StreamTopic(std::string_view stream) {
  return {wire::kDefaultApp, wire::TopicKind::kStream, stream};
}

size_t StreamsOf(hub::Session& session) {
  const auto& subscriptions = session.subscriptions();
  return static_cast<size_t>(std::count_if(subscriptions.begin(), subscriptions.end(), [](const auto& subscription) {
    return subscription.topic->interest->topic().kind == wire::TopicKind::kStream;
  }));
}

// Subscribes to each that is allowed; the lists say which those are, each name once.
void SubscribeAll(hub::Session& session, const std::vector<std::string>& wanted, std::vector<std::string>* taken,
                  std::vector<dialect::RefusedStream>* refused) {
  size_t streams = StreamsOf(session);
  uint32_t limit = session.settings().max_subscriptions;
  absl::flat_hash_set<std::string_view> seen;
  for (const std::string& stream : wanted) {
    if (!seen.insert(stream).second) continue;
    auto refusal = JudgeStream(stream, session.identity());
    const hub::LocalTopic* known = session.shard().FindTopic(StreamTopic(stream));
    bool listens = known != nullptr && session.Listens(known);
    if (!refusal.has_value() && !listens && streams >= limit) {
      refusal = dialect::Refusal{"limit", fmt::format("a session may subscribe to at most {} streams", limit)};
    }
    if (refusal.has_value()) {
      refused->push_back({stream.substr(0, wire::kMaxStreamBytes), *std::move(refusal)});
      continue;
    }
    if (session.shard().Subscribe(session, StreamTopic(stream))) ++streams;
    taken->push_back(stream);
  }
}

dialect::UserInfo InfoOf(const auth::Identity& identity) {
  return {identity.user_id, identity.name, identity.roles};
}

void LogIgnored(hub::Session& session, std::string_view code) {
  static log::SamplerByReason sampler;
  session.shard().stats().bad_messages.Add();
  uint64_t suppressed = 0;
  if (!sampler.Allow(code, &suppressed)) return;
  log::Info("edge", "ignored a message from a client",
            {{"session", session.id().ToString()}, {"reason", code}, {"suppressed", suppressed}});
}

void Refuse(hub::Session& session, const dialect::RequestId& id, dialect::Refusal why) {
  session.Reply(dialect::Error{id, std::move(why)});
}

}  // namespace

void CommandHandler::Welcome(hub::Session& session, SessionState& state, const dialect::RequestId& id) const {
  dialect::Welcome welcome;
  welcome.id = id;
  welcome.session = session.id().ToString();
  if (session.identity() != nullptr) welcome.user = InfoOf(*session.identity());
  SubscribeAll(session, state.wanted, &welcome.streams, &welcome.refused);
  state.wanted = {};
  const hub::SessionSettings& settings = session.settings();
  welcome.ping_interval_ms = settings.ping_interval.count();
  welcome.peer_timeout_ms = settings.peer_timeout.count();
  welcome.max_message_bytes = settings.max_message_bytes;
  welcome.max_subscriptions = settings.max_subscriptions;
  welcome.server_time_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  session.Reply(welcome);
}

void CommandHandler::Handle(hub::Session& session, SessionState& state, wire::Opcode opcode,
                            std::string_view payload) const {
  session.shard().stats().commands.Add();
  dialect::Command command = session.settings().dialect->Parse(opcode, payload);
  std::visit([&](const auto& kind) { On(session, state, kind); }, command);
}

void CommandHandler::On(hub::Session& session, SessionState& state, const dialect::Subscribe& command) const {
  if (state.owes_auth)
    return Refuse(session, command.id, {"auth_required", "send {\"action\":\"auth\",\"token\":…} first"});
  dialect::Subscribed reply{command.id, {}, {}};
  SubscribeAll(session, command.streams, &reply.streams, &reply.refused);
  session.Reply(reply);
}

void CommandHandler::On(hub::Session& session, SessionState& state, const dialect::Unsubscribe& command) const {
  if (state.owes_auth)
    return Refuse(session, command.id, {"auth_required", "send {\"action\":\"auth\",\"token\":…} first"});
  for (const std::string& stream : command.streams) session.shard().Unsubscribe(session, StreamTopic(stream));
  session.Reply(dialect::Unsubscribed{command.id, command.streams});
}

void CommandHandler::On(hub::Session& session, SessionState&, const dialect::Ping& command) const {
  session.Reply(dialect::Pong{command.id, command.echo});
}

void CommandHandler::On(hub::Session& session, SessionState& state, const dialect::Auth& command) const {
  if (session.identity() != nullptr) {
    return Refuse(session, command.id, {"already_authenticated", "this session has its user already"});
  }
  auto identity = auth::VerifyJwt(command.token, jwt_, std::chrono::system_clock::now());
  if (!identity.ok()) {
    if (state.owes_auth) return session.Close(wire::CloseCode::kUnauthorized, MessageOf(identity.status()));
    return Refuse(session, command.id, {"unauthorized", MessageOf(identity.status())});
  }
  session.shard().Identify(session, std::make_shared<const auth::Identity>(*std::move(identity)));
  for (const std::string& stream : session.identity()->streams) AddStreams(stream, &state.wanted);
  bool first = std::exchange(state.owes_auth, false);
  if (first) {
    Welcome(session, state, command.id);
    return;
  }
  std::vector<std::string> taken;
  std::vector<dialect::RefusedStream> refused;
  SubscribeAll(session, std::exchange(state.wanted, {}), &taken, &refused);
  session.Reply(dialect::Authenticated{command.id, InfoOf(*session.identity()), std::move(taken), std::move(refused)});
}

void CommandHandler::On(hub::Session& session, SessionState&, const dialect::Publish& command) const {
  Refuse(session, command.id, {"publish_unsupported", "clients cannot publish: ask a backend to broadcast"});
}

void CommandHandler::On(hub::Session& session, SessionState&, const dialect::Echo& command) const {
  std::string frame;
  wire::AppendFrame(frame, command.opcode, command.payload);
  session.Send(std::move(frame));
}

void CommandHandler::On(hub::Session& session, SessionState&, const dialect::Nonsense& command) const {
  LogIgnored(session, command.code);
  Refuse(session, command.id, {command.code, command.message});
}

void CommandHandler::On(hub::Session& session, SessionState&, const dialect::Refused& command) const {
  LogIgnored(session, wire::InfoOf(command.code).name);
  session.Close(command.code, wire::InfoOf(command.code).reason);
}

}  // namespace carillon::edge
