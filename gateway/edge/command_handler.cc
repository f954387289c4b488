#include "gateway/edge/command_handler.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "gateway/base/log.h"
#include "gateway/edge/handshake.h"
#include "gateway/edge/presence_commands.h"
#include "gateway/hub/answers.h"
#include "gateway/hub/shard.h"
#include "gateway/wire/new_envelope.h"

namespace carillon::edge {
namespace {

constexpr char kAppIsGone[] = "this app is gone";
constexpr char kAuthFirst[] = "send {\"action\":\"auth\",\"token\":…} first";

// The same whether there is such a stream or not.
constexpr char kForbidden[] = "this session may not";

// A client that tries so many doors is closed (reliability notes R30).
constexpr uint32_t kMaxForbidden = 10;
constexpr std::chrono::seconds kForbiddenWindow{60};

// Who published a message that a client did, as its annotation says; and events that only the gateway publishes.
constexpr char kFrom[] = "from";
constexpr std::string_view kOwnEvents = "presence.";

constexpr uint32_t kMostEntered = 1000;
constexpr std::chrono::seconds kEnteredWindow{10};

constexpr uint32_t kOverloadedWaitMs = 100;

// Of all filters of a session together.
constexpr size_t kMaxFilterBytes = 64 << 10;

// A client that sends too fast is told so often, and closed when it has gone on so long; a second without a message too
// many ends that (reliability notes R28).
constexpr std::chrono::seconds kTellEvery{1};
constexpr std::chrono::seconds kTooFastFor{10};
constexpr std::chrono::seconds kLull{1};

wire::TopicView StreamTopic(const hub::Session& session, std::string_view stream) {
  return {session.app(), wire::TopicKind::kStream, stream};
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

dialect::UserInfo InfoOf(const auth::Identity& identity) {
  return {identity.user_id, identity.name, identity.roles};
}

void LogIgnored(hub::Session& session, std::string_view code) {
  static log::SamplerByReason sampler;
  uint64_t suppressed = 0;
  if (!sampler.Allow(code, &suppressed)) return;
  log::Info("edge", "ignored a message from a client",
            {{"session", session.id().ToString()}, {"reason", code}, {"suppressed", suppressed}});
}

dialect::Refusal Forbidden(const auth::Identity* identity) {
  return {"forbidden", identity == nullptr ? "this session may not; one with a token might" : kForbidden};
}

// Why a token does not grant a stream; nothing where it does.
std::optional<dialect::Refusal> JudgeGrant(const auth::App& app, std::string_view token, const std::string& stream,
                                           const auth::Identity& identity) {
  Status status = app.tokens->VerifyGrant(token, stream, identity.user_id, std::chrono::system_clock::now());
  if (status.ok()) return std::nullopt;
  bool fetching = auth::IsUnknownKey(status) && app.tokens->AwaitKeys([] {});
  if (fetching || absl::IsUnavailable(status)) return dialect::Refusal{"unavailable", MessageOf(status), true};
  return dialect::Refusal{"forbidden", MessageOf(status)};
}

// Why a session may not subscribe to a stream; nothing where it may, and *imposed is what messages must have for it.
// One that listens already was let in once, perhaps by a token that was shown then. INVARIANT: the name is one.
std::optional<dialect::Refusal> JudgeSubscribe(const hub::Session& session, const auth::App& app,
                                               const std::string& stream, bool listens,
                                               const StringMap<std::string>* tokens,
                                               std::map<std::string, std::string>* imposed) {
  const auth::StreamAccess& rule = app.catalogue.Find(stream);
  if (rule.reserved) return dialect::Refusal{"stream_reserved", "this stream is reserved for later"};
  const auth::Identity* identity = session.identity().get();
  if (!rule.subscribe.Allows(stream, identity, listens || auth::Grants(identity, stream))) {
    bool shown = tokens != nullptr && tokens->contains(stream);
    if (!shown || identity == nullptr || !rule.subscribe.Allows(stream, identity, true)) return Forbidden(identity);
    if (auto refusal = JudgeGrant(app, tokens->find(stream)->second, stream, *identity)) return refusal;
  }
  auto filter = rule.FilterFor(identity);
  if (!filter.has_value()) return Forbidden(identity);
  *imposed = *std::move(filter);
  return std::nullopt;
}

// Coming and going is told to everybody in a stream: more often than messages may be published it is not.
std::optional<dialect::Refusal> JudgeEntering(hub::Session& session, const std::string& stream, RateWindow& entered) {
  wire::TopicView topic = StreamTopic(session, stream);
  if (session.identity() == nullptr || !session.shard().engine().RuleOf(topic).KeepsPresence(topic))
    return std::nullopt;
  auto now = RateWindow::Clock::now();
  if (entered.Take(now, kMostEntered, kEnteredWindow)) return std::nullopt;
  session.shard().stats().rate_limited.Add();
  return dialect::Refusal{
      "rate_limited",
      fmt::format("at most {} streams that know who is there in {} s", kMostEntered, kEnteredWindow.count()), true,
      static_cast<uint32_t>(std::max<int64_t>(1, entered.Wait(now, kEnteredWindow).count()))};
}

// What the subscriber wants, and what the stream's rule lets it have.
wire::FilterPtr WithImposed(const wire::FilterPtr& wanted, const std::map<std::string, std::string>& imposed) {
  if (imposed.empty()) return wanted;
  wire::Filter filter = wanted == nullptr ? wire::Filter() : *wanted;
  filter.imposed = imposed;
  return std::make_shared<const wire::Filter>(std::move(filter));
}

// After a new token: what rules impose is made of what that one says. Returns the streams that the session has lost
// because it does not say it.
std::vector<std::string> ImposeAnew(hub::Session& session, const auth::App& app) {
  std::vector<std::string> streams;
  for (const hub::Subscription& subscription : session.subscriptions()) {
    wire::TopicView topic = subscription.topic->interest->topic();
    if (topic.kind == wire::TopicKind::kStream) streams.emplace_back(topic.name);
  }
  std::vector<std::string> lost;
  for (std::string& stream : streams) {
    const auth::StreamAccess& rule = app.catalogue.Find(stream);
    if (rule.filter.empty()) continue;
    wire::TopicView topic = StreamTopic(session, stream);
    auto imposed = rule.FilterFor(session.identity().get());
    if (!imposed.has_value()) {
      session.shard().Unsubscribe(session, topic);
      lost.push_back(std::move(stream));
    } else {
      session.shard().Subscribe(session, topic, {{}, WithImposed(session.FilterOf(topic), *imposed)});
    }
  }
  return lost;
}

void Refuse(hub::Session& session, const dialect::RequestId& id, dialect::Refusal why) {
  session.Reply(dialect::Error{id, std::move(why)});
}

}  // namespace

void CommandHandler::Begin(hub::Session& session, SessionState& state) const {
  auto apps = apps_.Get();
  const auth::App* app = apps->Find(session.app());
  if (app == nullptr) return session.Close(wire::CloseCode::kForbidden, kAppIsGone);
  if (session.identity() != nullptr) {
    // A denial may have come since the handshake; from here to Admit nothing can come between (control/denials).
    Status denied = app->tokens->denials().Check(*session.identity(), std::chrono::system_clock::now());
    if (!denied.ok()) return session.Close(hub::CodeOf(denied), MessageOf(denied));
  }
  // So may have many others that were let through at the same moment.
  if (limits_ != nullptr) {
    auto full = limits_->AppIsFull(*app);
    if (!full.has_value() && session.identity() != nullptr) {
      full = limits_->UserIsFull(*app, session.identity()->user_id);
    }
    if (full.has_value()) return session.Close(wire::CloseCode::kConnectionLimit, *full);
  }
  hub::SubscribeAnswer inbox = session.shard().Admit(session, SinceOf(state.wanted.Of(wire::kInboxLog)));
  Welcome(session, state, *app, {}, inbox);
}

bool CommandHandler::AwaitKeys(const hub::Session& session, std::function<void()> done) const {
  auto apps = apps_.Get();
  const auth::App* app = apps->Find(session.app());
  return app != nullptr && app->tokens->AwaitKeys(std::move(done));
}

void CommandHandler::Welcome(hub::Session& session, SessionState& state, const auth::App& app,
                             const dialect::RequestId& id, const hub::SubscribeAnswer& inbox) const {
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
  SubscribeAll(session, app, state.streams, state.wanted, nullptr,
               {&welcome.streams, &welcome.refused, &welcome.logs, nullptr, &state.entered});
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

bool CommandHandler::SubscribeAll(hub::Session& session, const auth::App& app, const std::vector<std::string>& streams,
                                  const dialect::WantedByStream& wanted, const wire::FilterPtr* filter,
                                  const Judged& judged) const {
  size_t taken = session.streams();
  uint32_t limit = session.settings().max_subscriptions;
  bool forbidden = false;
  wire::FilterPtr made;
  absl::flat_hash_set<std::string_view> seen;
  for (const std::string& stream : streams) {
    if (!seen.insert(stream).second) continue;
    const hub::LocalTopic* known = session.shard().FindTopic(StreamTopic(session, stream));
    bool listens = known != nullptr && session.Listens(known);
    // What costs nothing first: patterns are matched only with names, and only while there is room.
    std::map<std::string, std::string> imposed;
    std::optional<dialect::Refusal> refusal;
    if (Status named = wire::CheckStreamName(stream); !named.ok()) {
      refusal = dialect::Refusal{"bad_stream", MessageOf(named)};
    } else if (!listens && taken >= limit) {
      refusal = dialect::Refusal{"limit", fmt::format("a session may subscribe to at most {} streams", limit)};
    } else {
      refusal = JudgeSubscribe(session, app, stream, listens, judged.tokens, &imposed);
    }
    if (!refusal.has_value() && !listens && limits_ != nullptr) {
      if (auto full = limits_->StreamsAreFull(app, stream)) refusal = dialect::Refusal{"limit", *full, true};
    }
    if (!refusal.has_value() && !listens) refusal = JudgeEntering(session, stream, *judged.entered);
    const dialect::Wanted& since = wanted.Of(stream);
    if (refusal.has_value()) {
      std::string name = stream.substr(0, wire::kMaxStreamBytes);
      forbidden = forbidden || refusal->code == "forbidden" || refusal->code == "unavailable";
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
    // Streams of which the same is imposed share a filter.
    if (made == nullptr || made->imposed != imposed) made = WithImposed(filter == nullptr ? nullptr : *filter, imposed);
    hub::SubscribeAnswer answer =
        session.shard().Subscribe(session, StreamTopic(session, stream), {SinceOf(since), made});
    if (answer.fresh && !listens) ++taken;
    judged.taken->push_back(stream);
    AddLog(stream, answer, judged.logs);
  }
  for (const auto& [stream, since] : wanted.streams) {
    if (seen.contains(stream) || stream == wire::kInboxLog) continue;
    judged.refused->push_back({stream.substr(0, wire::kMaxStreamBytes),
                               {"not_subscribed", "\"recover\" names it, but it is not among the streams"}});
  }
  return forbidden;
}

void CommandHandler::Handle(hub::Session& session, SessionState& state, wire::Opcode opcode,
                            std::string_view payload) const {
  session.shard().stats().commands.Add();
  if (!ComesInTime(session, state)) return;
  dialect::Command command = session.settings().dialect->Parse(opcode, payload);
  std::visit([&](const auto& kind) { On(session, state, kind); }, command);
}

bool CommandHandler::ComesInTime(hub::Session& session, SessionState& state) {
  uint32_t limit = session.settings().messages_per_second;
  if (limit == 0 || state.keys_are_fresh) return true;  // a message that is handled again has come in time
  hub::Shard& shard = session.shard();
  TokenBucket::Clock::time_point now = shard.now();
  if (!state.rate.has_value()) state.rate.emplace(2.0F * static_cast<float>(limit), std::chrono::seconds(2));
  if (state.rate->Take(now)) return true;
  shard.stats().rate_limited.Add();
  if (now - state.dropped_at > kLull) state.too_fast_since = now;
  state.dropped_at = now;
  if (now - state.too_fast_since >= kTooFastFor) {
    session.Close(wire::CloseCode::kRateLimited, wire::InfoOf(wire::CloseCode::kRateLimited).reason);
  } else if (now - state.told_at >= kTellEvery) {
    state.told_at = now;
    LogIgnored(session, "rate_limited");
    Refuse(session, {},
           {"rate_limited", fmt::format("more than {} messages a second: what comes faster is dropped", limit), true,
            static_cast<uint32_t>(state.rate->Wait().count())});
  }
  return false;
}

void CommandHandler::On(hub::Session& session, SessionState& state, const dialect::Subscribe& command) const {
  if (state.owes_auth) return Refuse(session, command.id, {"auth_required", kAuthFirst});
  if (command.wanted.streams.contains(wire::kInboxLog)) {
    return Refuse(session, command.id,
                  {"bad_recover", "\"@user\" is recovered when the session begins: by ?recover= or with \"auth\""});
  }
  auto apps = apps_.Get();
  const auth::App* app = apps->Find(session.app());
  if (app == nullptr) return session.Close(wire::CloseCode::kForbidden, kAppIsGone);
  dialect::Subscribed reply{command.id, {}, {}, {}};
  if (!command.filter.empty() && session.filter_bytes() + command.filter.bytes() > kMaxFilterBytes) {
    return Refuse(session, command.id,
                  {"limit", fmt::format("the filters of a session hold at most {} bytes", kMaxFilterBytes)});
  }
  wire::FilterPtr filter = command.filter.empty() ? nullptr : std::make_shared<const wire::Filter>(command.filter);
  bool forbidden = SubscribeAll(session, *app, command.streams, command.wanted, &filter,
                                {&reply.streams, &reply.refused, &reply.logs, &command.tokens, &state.entered});
  session.Reply(reply);
  if (forbidden) CountForbidden(session, state);
}

void CommandHandler::On(hub::Session& session, SessionState& state, const dialect::Unsubscribe& command) const {
  if (state.owes_auth) return Refuse(session, command.id, {"auth_required", kAuthFirst});
  for (const std::string& stream : command.streams) session.shard().Unsubscribe(session, StreamTopic(session, stream));
  session.Reply(dialect::Unsubscribed{command.id, command.streams});
}

void CommandHandler::On(hub::Session& session, SessionState&, const dialect::Ping& command) const {
  session.Reply(dialect::Pong{command.id, command.echo});
}

void CommandHandler::On(hub::Session& session, SessionState& state, const dialect::Auth& command) const {
  auto apps = apps_.Get();
  const auth::App* app = apps->Find(session.app());
  if (app == nullptr) return session.Close(wire::CloseCode::kForbidden, kAppIsGone);
  auto identity = app->tokens->Verify(command.token, std::chrono::system_clock::now());
  if (!identity.ok()) {
    state.unknown_key = auth::IsUnknownKey(identity.status()) && !state.keys_are_fresh;
    if (state.unknown_key) return;
    if (state.owes_auth) return session.Close(hub::CodeOf(identity.status()), MessageOf(identity.status()));
    const char* code = absl::IsPermissionDenied(identity.status()) ? "forbidden"
                       : absl::IsUnavailable(identity.status())    ? "unavailable"
                                                                   : "unauthorized";
    return Refuse(session, command.id, {code, MessageOf(identity.status()), absl::IsUnavailable(identity.status())});
  }
  // A new token for the same user takes the old one's place; nobody changes into somebody else.
  if (session.identity() != nullptr && session.identity()->user_id != (*identity)->user_id) {
    return Refuse(session, command.id, {"already_authenticated", "this session is another user's"});
  }
  if (session.identity() == nullptr && limits_ != nullptr) {
    if (auto why = limits_->UserIsFull(*app, (*identity)->user_id)) {
      if (state.owes_auth) return session.Close(wire::CloseCode::kConnectionLimit, *why);
      return Refuse(session, command.id, {"limit", *std::move(why), true});
    }
  }
  // One that owed its token was not among the app's sessions yet.
  if (state.owes_auth && limits_ != nullptr) {
    if (auto why = limits_->AppIsFull(*app)) return session.Close(wire::CloseCode::kConnectionLimit, *why);
  }
  // What the frame says counts for more than what the URL said.
  for (const auto& [stream, wanted] : command.wanted.streams) state.wanted.streams[stream] = wanted;
  if (command.wanted.otherwise.kind != dialect::Wanted::Kind::kNow) state.wanted.otherwise = command.wanted.otherwise;
  hub::SubscribeAnswer inbox =
      session.shard().Identify(session, *std::move(identity), SinceOf(state.wanted.Of(wire::kInboxLog)));
  std::vector<std::string> lost = ImposeAnew(session, *app);
  const std::vector<std::string>& granted = session.identity()->streams;
  state.streams.insert(state.streams.end(), granted.begin(), granted.end());
  if (std::exchange(state.owes_auth, false)) return Welcome(session, state, *app, command.id, inbox);
  dialect::Authenticated reply{command.id, InfoOf(*session.identity()), {}, {}, {}};
  AddLog(wire::kInboxLog, inbox, &reply.logs);
  for (std::string& stream : lost) reply.refused.push_back({std::move(stream), {"forbidden", kForbidden}});
  SubscribeAll(session, *app, std::exchange(state.streams, {}), std::exchange(state.wanted, {}), nullptr,
               {&reply.streams, &reply.refused, &reply.logs, nullptr, &state.entered});
  session.Reply(reply);
}

// A client that goes on asking for what it may not have is looking for something.
void CommandHandler::CountForbidden(hub::Session& session, SessionState& state) {
  if (state.forbidden.Take(session.shard().now(), kMaxForbidden - 1, kForbiddenWindow)) return;
  session.Close(wire::CloseCode::kForbidden, "too many forbidden requests");
}

void CommandHandler::On(hub::Session& session, SessionState& state, const dialect::Publish& command) const {
  if (state.owes_auth) return Refuse(session, command.id, {"auth_required", kAuthFirst});
  if (command.stream.empty()) {
    return Refuse(session, command.id, {"publish_unsupported", "\"stream\" is missing: say where to publish"});
  }
  if (Status status = wire::CheckStreamName(command.stream); !status.ok()) {
    return Refuse(session, command.id, {"bad_stream", MessageOf(status)});
  }
  auto apps = apps_.Get();
  const auth::App* app = apps->Find(session.app());
  if (app == nullptr) return session.Close(wire::CloseCode::kForbidden, kAppIsGone);
  const auth::StreamAccess& rule = app->catalogue.Find(command.stream);
  if (rule.reserved) return Refuse(session, command.id, {"stream_reserved", "this stream is reserved for later"});
  const auth::Identity* identity = session.identity().get();
  auto imposed = rule.FilterFor(identity);
  const auth::ClientEventRule* event = rule.FindEvent(command.event);
  // A grant is for listening, unless the rule says that it is for this as well.
  bool granted = rule.publish.who == auth::Access::Who::kGranted && auth::Grants(identity, command.stream);
  bool may = rule.publish.Allows(command.stream, identity, granted);
  if (!may || !imposed.has_value() || event == nullptr || command.event.starts_with(kOwnEvents)) {
    Refuse(session, command.id,
           {"forbidden", may && imposed.has_value() ? "this event may not be published here" : kForbidden});
    return CountForbidden(session, state);
  }
  if (command.json.size() > rule.max_payload_bytes) {
    return Refuse(session, command.id,
                  {"too_big", fmt::format("\"data\" has {} bytes here, and at most {} are let through",
                                          command.json.size(), rule.max_payload_bytes)});
  }
  if (event->rate.count > 0) {
    RateWindow& window = state.event_rates[fmt::format("{} {}", rule.pattern, event->event)];
    auto now = RateWindow::Clock::now();  // the shard's stands still between two turns
    if (!window.Take(now, event->rate.count, event->rate.window)) {
      session.shard().stats().rate_limited.Add();
      return Refuse(
          session, command.id,
          {"rate_limited",
           fmt::format("at most {} of {} in {} ms", event->rate.count, event->event, event->rate.window.count()), true,
           static_cast<uint32_t>(std::max<int64_t>(1, window.Wait(now, event->rate.window).count()))});
    }
  }
  Send(session, command, *std::move(imposed));
}

// As a backend's message, but for who says so: the sender's user, and what the stream's rule imposes.
void CommandHandler::Send(hub::Session& session, const dialect::Publish& command,
                          std::map<std::string, std::string> meta) {
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
  engine::Publication publication{StreamTopic(session, command.stream),
                                  wire::FramePtr(new wire::Frame(std::move(envelope), std::move(terms)))};
  auto published = session.shard().engine().Publish(publication);
  if (!published.ok()) {
    return Refuse(session, command.id, {"overloaded", MessageOf(published.status()), true, kOverloadedWaitMs});
  }
  session.shard().stats().published.Add();
  done.position = published->position;
  if (!command.id.empty()) session.Reply(done);
}

void CommandHandler::On(hub::Session& session, SessionState& state, const dialect::ListMembers& command) const {
  if (state.owes_auth) return Refuse(session, command.id, {"auth_required", kAuthFirst});
  AnswerMembers(session, command);
}

void CommandHandler::On(hub::Session& session, SessionState& state, const dialect::SetMood& command) const {
  if (state.owes_auth) return Refuse(session, command.id, {"auth_required", kAuthFirst});
  auto apps = apps_.Get();
  const auth::App* app = apps->Find(session.app());
  if (app == nullptr) return session.Close(wire::CloseCode::kForbidden, kAppIsGone);
  if (session.identity() == nullptr) {
    Refuse(session, command.id, {"forbidden", "this session has no user: one with a token might"});
    return CountForbidden(session, state);
  }
  AnswerMood(session, state, *app, command);
}

void CommandHandler::On(hub::Session& session, SessionState&, const dialect::Echo& command) const {
  std::string frame;
  wire::AppendFrame(frame, command.opcode, command.payload);
  session.Send(std::move(frame));
}

void CommandHandler::On(hub::Session& session, SessionState&, const dialect::Nonsense& command) const {
  session.shard().stats().bad_messages.Add();
  LogIgnored(session, command.code);
  Refuse(session, command.id, {command.code, command.message});
}

void CommandHandler::On(hub::Session& session, SessionState&, const dialect::Refused& command) const {
  session.shard().stats().bad_messages.Add();
  LogIgnored(session, wire::InfoOf(command.code).name);
  session.Close(command.code, wire::InfoOf(command.code).reason);
}

}  // namespace carillon::edge
