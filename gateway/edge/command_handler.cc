#include "gateway/edge/command_handler.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "gateway/base/log.h"
#include "gateway/edge/handshake.h"
#include "gateway/hub/answers.h"
#include "gateway/hub/shard.h"

namespace carillon::edge {
namespace {

// Of all filters of a session together.
constexpr size_t kMaxFilterBytes = 64 << 10;

wire::TopicView StreamTopic(std::string_view stream) {
  return {wire::kDefaultApp, wire::TopicKind::kStream, stream};
}

size_t StreamsOf(hub::Session& session) {
  const auto& subscriptions = session.subscriptions();
  return static_cast<size_t>(std::count_if(subscriptions.begin(), subscriptions.end(), [](const auto& subscription) {
    return subscription.topic->interest->topic().kind == wire::TopicKind::kStream;
  }));
}

engine::Since SinceOf(const dialect::Wanted& wanted) {
  using Kind = engine::Since::Kind;
  engine::Since since;
  switch (wanted.kind) {
    case dialect::Wanted::Kind::kNow:
      break;
    case dialect::Wanted::Kind::kPosition:
      since.kind = Kind::kPosition;
      since.position = wanted.position;
      break;
    case dialect::Wanted::Kind::kTime:
      since.kind = Kind::kTime;
      since.time = wire::WallClock::time_point(
          std::chrono::milliseconds(std::min<int64_t>(wanted.time_ms, int64_t{1} << 42)));  // the year 2109
      break;
    case dialect::Wanted::Kind::kLast:
      since.kind = Kind::kLast;
      since.last = wanted.last;
      break;
    case dialect::Wanted::Kind::kLatest:
      since.kind = Kind::kLast;
      since.last = 1;
      break;
  }
  return since;
}

dialect::Recovered RecoveredOf(engine::Recovery recovery) {
  switch (recovery) {
    case engine::Recovery::kNotAsked:
      break;
    case engine::Recovery::kOk:
      return dialect::Recovered::kOk;
    case engine::Recovery::kEpochChanged:
      return dialect::Recovered::kEpochChanged;
    case engine::Recovery::kTrimmed:
      return dialect::Recovered::kTrimmed;
    case engine::Recovery::kTooFar:
      return dialect::Recovered::kTooFar;
    case engine::Recovery::kDisabled:
      return dialect::Recovered::kDisabled;
  }
  return dialect::Recovered::kNotAsked;
}

void AddLog(std::string_view log, const hub::SubscribeAnswer& answer, std::vector<dialect::LogState>* logs) {
  if (answer.at.epoch.empty() && answer.recovery == engine::Recovery::kNotAsked) return;
  logs->push_back({std::string(log), answer.at, answer.top.offset, RecoveredOf(answer.recovery)});
}

// What became of a list of streams.
struct Judged {
  std::vector<std::string>* taken;
  std::vector<dialect::RefusedStream>* refused;
  std::vector<dialect::LogState>* logs;
};

// Subscribes to each that is allowed, each name once. Without `filter`, what the session listens to already stays as it
// is.
void SubscribeAll(hub::Session& session, const std::vector<std::string>& streams, const dialect::WantedByStream& wanted,
                  const wire::FilterPtr* filter, Judged judged) {
  size_t taken = StreamsOf(session);
  uint32_t limit = session.settings().max_subscriptions;
  absl::flat_hash_set<std::string_view> seen;
  for (const std::string& stream : streams) {
    if (!seen.insert(stream).second) continue;
    auto refusal = JudgeStream(stream, session.identity());
    const hub::LocalTopic* known = session.shard().FindTopic(StreamTopic(stream));
    bool listens = known != nullptr && session.Listens(known);
    if (!refusal.has_value() && !listens && taken >= limit) {
      refusal = dialect::Refusal{"limit", fmt::format("a session may subscribe to at most {} streams", limit)};
    }
    const dialect::Wanted& since = wanted.Of(stream);
    if (refusal.has_value()) {
      std::string name = stream.substr(0, wire::kMaxStreamBytes);
      if (since.kind == dialect::Wanted::Kind::kPosition && refusal->code == "forbidden") {
        judged.logs->push_back({name, {}, 0, dialect::Recovered::kRevoked});
        session.shard().stats().revoked.Add();
      }
      judged.refused->push_back({std::move(name), *std::move(refusal)});
      continue;
    }
    if (listens && filter == nullptr && since.kind == dialect::Wanted::Kind::kNow) {
      judged.taken->push_back(stream);
      continue;
    }
    hub::SubscribeAnswer answer = session.shard().Subscribe(
        session, StreamTopic(stream), {SinceOf(since), filter == nullptr ? wire::FilterPtr() : *filter});
    if (answer.fresh && !listens) ++taken;
    judged.taken->push_back(stream);
    AddLog(stream, answer, judged.logs);
  }
  for (const auto& [stream, since] : wanted.streams) {
    if (seen.contains(stream) || stream == wire::kInboxLog) continue;
    judged.refused->push_back({stream.substr(0, wire::kMaxStreamBytes),
                               {"not_subscribed", "\"recover\" names it, but it is not among the streams"}});
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

void CommandHandler::Begin(hub::Session& session, SessionState& state) const {
  if (session.identity() != nullptr) {
    // A denial may have come since the handshake; from here to Admit nothing can come between (control/denials).
    Status denied = tokens_->denials().Check(*session.identity(), std::chrono::system_clock::now());
    if (!denied.ok()) return session.Close(hub::CodeOf(denied), MessageOf(denied));
  }
  hub::SubscribeAnswer inbox = session.shard().Admit(session, SinceOf(state.wanted.Of(wire::kInboxLog)));
  Welcome(session, state, {}, inbox);
}

void CommandHandler::Welcome(hub::Session& session, SessionState& state, const dialect::RequestId& id,
                             const hub::SubscribeAnswer& inbox) const {
  dialect::Welcome welcome;
  welcome.id = id;
  welcome.session = session.id().ToString();
  welcome.resume = ResumeText(session);
  if (session.identity() != nullptr) welcome.user = InfoOf(*session.identity());
  AddLog(wire::kInboxLog, inbox, &welcome.logs);
  if (session.identity() == nullptr && state.wanted.streams.contains(wire::kInboxLog)) {
    welcome.logs.push_back({std::string(wire::kInboxLog), {}, 0, dialect::Recovered::kRevoked});
    session.shard().stats().revoked.Add();
  }
  SubscribeAll(session, state.streams, state.wanted, nullptr, {&welcome.streams, &welcome.refused, &welcome.logs});
  state.streams = {};
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
  if (command.wanted.streams.contains(wire::kInboxLog)) {
    return Refuse(session, command.id,
                  {"bad_recover", "\"@user\" is recovered when the session begins: by ?recover= or with \"auth\""});
  }
  dialect::Subscribed reply{command.id, {}, {}, {}};
  if (session.filter_bytes() + command.filter.bytes() > kMaxFilterBytes) {
    return Refuse(session, command.id,
                  {"limit", fmt::format("the filters of a session hold at most {} bytes", kMaxFilterBytes)});
  }
  wire::FilterPtr filter = command.filter.empty() ? nullptr : std::make_shared<const wire::Filter>(command.filter);
  SubscribeAll(session, command.streams, command.wanted, &filter, {&reply.streams, &reply.refused, &reply.logs});
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
  auto identity = tokens_->Verify(command.token, std::chrono::system_clock::now());
  if (!identity.ok()) {
    state.unknown_key = auth::IsUnknownKey(identity.status()) && !state.keys_are_fresh;
    if (state.unknown_key) return;
    if (state.owes_auth) return session.Close(hub::CodeOf(identity.status()), MessageOf(identity.status()));
    const char* code = absl::IsPermissionDenied(identity.status()) ? "forbidden"
                       : absl::IsUnavailable(identity.status())    ? "unavailable"
                                                                   : "unauthorized";
    return Refuse(session, command.id, {code, MessageOf(identity.status())});
  }
  // A new token for the same user takes the old one's place; nobody changes into somebody else.
  if (session.identity() != nullptr && session.identity()->user_id != (*identity)->user_id) {
    return Refuse(session, command.id, {"already_authenticated", "this session is another user's"});
  }
  if (session.identity() == nullptr && limits_ != nullptr) {
    if (auto why = limits_->UserIsFull((*identity)->user_id)) {
      if (state.owes_auth) return session.Close(wire::CloseCode::kConnectionLimit, *why);
      return Refuse(session, command.id, {"limit", *std::move(why)});
    }
  }
  // What the frame says counts for more than what the URL said.
  for (const auto& [stream, wanted] : command.wanted.streams) state.wanted.streams[stream] = wanted;
  if (command.wanted.otherwise.kind != dialect::Wanted::Kind::kNow) state.wanted.otherwise = command.wanted.otherwise;
  hub::SubscribeAnswer inbox =
      session.shard().Identify(session, *std::move(identity), SinceOf(state.wanted.Of(wire::kInboxLog)));
  for (const std::string& stream : session.identity()->streams) AddStreams(stream, &state.streams);
  if (std::exchange(state.owes_auth, false)) return Welcome(session, state, command.id, inbox);
  dialect::Authenticated reply{command.id, InfoOf(*session.identity()), {}, {}, {}};
  AddLog(wire::kInboxLog, inbox, &reply.logs);
  SubscribeAll(session, std::exchange(state.streams, {}), std::exchange(state.wanted, {}), nullptr,
               {&reply.streams, &reply.refused, &reply.logs});
  session.Reply(reply);
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
