#include "gateway/edge/command_handler.h"

#include <algorithm>
#include <type_traits>

#include "gateway/base/log.h"
#include "gateway/edge/client_events.h"
#include "gateway/edge/folding.h"
#include "gateway/edge/handshake.h"
#include "gateway/edge/presence_commands.h"
#include "gateway/edge/publish_commands.h"
#include "gateway/edge/refusals.h"
#include "gateway/edge/subscribing.h"
#include "gateway/edge/sync.h"
#include "gateway/edge/tapping.h"
#include "gateway/hub/answers.h"
#include "gateway/hub/shard.h"

namespace carillon::edge {
namespace {

constexpr uint32_t kOverloadedWaitMs = 1000;

constexpr char kAppIsGone[] = "this app is gone";
constexpr char kAuthFirst[] = "send {\"action\":\"auth\",\"token\":…} first";

// A client that tries so many doors is closed (reliability notes R30).
constexpr uint32_t kMaxForbidden = 10;
constexpr std::chrono::seconds kForbiddenWindow{60};

// Of all filters of a session together.
constexpr size_t kMaxFilterBytes = 64 << 10;

// A client that sends too fast is told so often, and closed when it has gone on so long; a second without a message too
// many ends that (reliability notes R28).
constexpr std::chrono::seconds kTellEvery{1};
constexpr std::chrono::seconds kTooFastFor{10};
constexpr std::chrono::seconds kLull{1};

// True where an event stood for a subscription that the client does not want any more: it is told so.
bool AnswerWithdrawn(hub::Session& session, const Answers& known, const dialect::Command& meant) {
  const auto* subscribe = std::get_if<dialect::Subscribe>(&meant);
  if (subscribe == nullptr || subscribe->streams.size() != 1) return false;
  const std::string& stream = subscribe->streams.front();
  if (!known.HasWithdrawn(stream)) return false;
  session.Reply(dialect::Subscribed{subscribe->id, {}, {{stream, Withdrawn()}}, {}});
  return true;
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

// What only a session whose token is known, or that needs none, may ask for.
template <class Kind>
constexpr bool kNeedsToken = std::is_same_v<Kind, dialect::Subscribe> || std::is_same_v<Kind, dialect::Unsubscribe> ||
                             std::is_same_v<Kind, dialect::Publish> || std::is_same_v<Kind, dialect::ListMembers> ||
                             std::is_same_v<Kind, dialect::SetMood>;

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
  if (AskFirst(session, state, QuestionsOf(session, *app, session.identity().get(), {state.streams, state.wanted}))) {
    return;
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
  LookAtUser(session, *app, inbox);
  Welcome(session, state, *app, {}, inbox);
}

bool CommandHandler::AskFirst(hub::Session& session, SessionState& state, std::vector<Question> questions) const {
  if (questions.empty()) return false;
  const Answers* known = state.answers();
  bool who = questions.front().method == hooks::Method::kAuthenticate;
  if (known != nullptr && (who ? known->identity.has_value() : !known->streams.empty())) return false;
  if (questions.size() > kMostQuestions) questions.resize(kMostQuestions);
  state.Wait([this, &session, &state, questions = std::move(questions)](std::function<void()> again) {
    // It is let go of before what is waited for is.
    state.waiting->inquiry = Inquiry::Begin(session.shard(), backends_, questions, [&state, again](Answers answers) {
      Answers& kept = state.waiting->answers;
      if (answers.identity.has_value()) kept.identity = std::move(answers.identity);
      if (!answers.streams.empty()) kept.streams = std::move(answers.streams);
      again();
    });
    return true;
  });
  return true;
}

void CommandHandler::Ask(hub::Session& session, SessionState& state, const dialect::Command& command,
                         std::vector<Question> questions) const {
  if (state.asking == nullptr) {
    state.asking = std::make_shared<Asking>(
        session.shard(), backends_, [this, &session, &state](const dialect::Command& waited, const Answers& answers) {
          Resume(session, state, waited, answers);
        });
  }
  if (state.asking->Add(command, std::move(questions))) return;
  dialect::RequestId id = std::visit(
      [](const auto& kind) -> dialect::RequestId {
        if constexpr (requires { kind.id; }) {
          return kind.id;
        } else {
          return {};
        }
      },
      command);
  Refuse(session, id, {"overloaded", "too much of this session waits for backends", true, kOverloadedWaitMs});
}

// A fault of ours ends this session, not the process.
void CommandHandler::Resume(hub::Session& session, SessionState& state, const dialect::Command& command,
                            const Answers& answers) const {
  if (session.closing()) return;  // it has left its streams, and must not join one any more
  auto apps = apps_.Get();
  const auth::App* app = apps->Find(session.app());
  if (app == nullptr) return session.Close(wire::CloseCode::kForbidden, kAppIsGone);
  state.known = &answers;
  try {
    std::visit([&](const auto& kind) { On(session, state, *app, kind); }, command);
  } catch (const std::exception& error) {
    log::Error("edge", "what a client said could not be handled",
               {{"session", session.id().ToString()}, {"why", error.what()}});
    session.Close(wire::CloseCode::kInternal, wire::InfoOf(wire::CloseCode::kInternal).reason);
  }
  state.known = nullptr;
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
  SubscribeAll(session, state, app, limits_.get(), {state.streams, state.wanted, nullptr, nullptr, state.answers()},
               {&welcome.streams, &welcome.refused, &welcome.logs});
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
  if (!state.again) {
    session.shard().stats().commands.Add();
    session.CountSaid();
  }
  auto apps = apps_.Get();
  const auth::App* app = apps->Find(session.app());
  if (app == nullptr) return session.Close(wire::CloseCode::kForbidden, kAppIsGone);
  if (!ComesInTime(session, state, *app)) return;
  LookAtSize(session, state, *app, payload.size());
  dialect::Command command = session.settings().dialect->Parse(opcode, payload);
  if (app->fold_names) FoldNames(&command);
  if (session.tapped() && !state.again) [[unlikely]]
    ShowSaid(session, command, payload.size());
  std::visit(
      [&](const auto& kind) {
        if constexpr (kNeedsToken<std::decay_t<decltype(kind)>>) {
          if (state.owes_auth) return Refuse(session, kind.id, {"auth_required", kAuthFirst});
        }
        On(session, state, *app, kind);
      },
      command);
}

void CommandHandler::LookAtUser(const hub::Session& session, const auth::App& app,
                                const hub::SubscribeAnswer& inbox) const {
  if (limits_ == nullptr || session.identity() == nullptr) return;
  limits_->LookAtUser(app, session.identity()->user_id, inbox.sessions);
}

void CommandHandler::Warn(hub::Session& session, const LimitUse& use) const {
  if (limits_ != nullptr) limits_->warnings().Tell(use, session.id().ToString());
}

// A message that is too long ends the session: whoever comes near to that is told of once.
void CommandHandler::LookAtSize(hub::Session& session, SessionState& state, const auth::App& app, size_t size) const {
  size_t most = session.settings().max_message_bytes;
  if (state.long_message || size * 5 < most * 4) return;
  state.long_message = true;
  Warn(session, {"message_bytes", app.name, size, most, "edge.endpoints[].max_message_bytes"});
}

bool CommandHandler::ComesInTime(hub::Session& session, SessionState& state, const auth::App& app) const {
  uint32_t limit = session.settings().messages_per_second;
  if (limit == 0 || state.again) return true;  // a message that is handled again has come in time
  hub::Shard& shard = session.shard();
  TokenBucket::Clock::time_point now = shard.now();
  if (!state.rate.has_value()) state.rate.emplace(2.0F * static_cast<float>(limit), std::chrono::seconds(2));
  if (state.rate->Take(now)) {
    if (state.rate->ComesNear()) {
      Warn(session, {"message_rate", app.name, static_cast<size_t>(state.rate->used()),
                     static_cast<size_t>(state.rate->burst()), "edge.endpoints[].messages_per_second"});
    }
    return true;
  }
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

void CommandHandler::On(hub::Session& session, SessionState& state, const auth::App& app,
                        const dialect::Subscribe& command) const {
  if (command.wanted.streams.contains(wire::kInboxLog)) {
    return Refuse(session, command.id,
                  {"bad_recover", "\"@user\" is recovered when the session begins: by ?recover= or with \"auth\""});
  }
  if (state.known == nullptr) {
    auto questions = QuestionsOf(session, app, session.identity().get(),
                                 {command.streams, command.wanted, nullptr, &command.tokens});
    if (questions.size() > kMostQuestions) questions.resize(kMostQuestions);  // the others are for another time
    if (!questions.empty()) return Ask(session, state, command, std::move(questions));
  }
  dialect::Subscribed reply{command.id, {}, {}, {}};
  if (state.known != nullptr) {
    for (const std::string& stream : state.known->withdrawn) {
      reply.refused.push_back({stream, Withdrawn()});
    }
  }
  if (!command.filter.empty() && session.filter_bytes() + command.filter.bytes() > kMaxFilterBytes) {
    return Refuse(session, command.id,
                  {"limit", fmt::format("the filters of a session hold at most {} bytes", kMaxFilterBytes)});
  }
  wire::FilterPtr filter = command.filter.empty() ? nullptr : std::make_shared<const wire::Filter>(command.filter);
  bool forbidden = SubscribeAll(session, state, app, limits_.get(),
                                {command.streams, command.wanted, &filter, &command.tokens, state.known},
                                {&reply.streams, &reply.refused, &reply.logs});
  session.Reply(reply);
  if (forbidden) CountForbidden(session, state);
}

void CommandHandler::On(hub::Session& session, SessionState& state, const auth::App&,
                        const dialect::Unsubscribe& command) const {
  if (state.asking != nullptr) state.asking->Withdraw(command.streams);
  for (const std::string& stream : command.streams) session.shard().Unsubscribe(session, session.StreamTopic(stream));
  session.Reply(dialect::Unsubscribed{command.id, command.streams});
}

void CommandHandler::On(hub::Session& session, SessionState&, const auth::App&, const dialect::Ping& command) const {
  session.Reply(dialect::Pong{command.id, command.echo});
}

std::optional<StatusOr<auth::IdentityPtr>> CommandHandler::WhoBears(hub::Session& session, SessionState& state,
                                                                    const auth::App& app,
                                                                    const dialect::Auth& command) const {
  auto now = std::chrono::system_clock::now();
  if (IsForBackend(app, command.token)) {
    if (AskFirst(session, state, {WhoIs(app, session, command)})) return std::nullopt;
    return IdentityOf(app, *state.answers(), now);
  }
  auto identity = app.tokens->Verify(command.token, now);
  bool waited = state.waiting != nullptr && state.waiting->keys_are_fresh;
  if (!auth::IsUnknownKey(identity.status()) || waited) return identity;
  state.Wait([&state, tokens = app.tokens](std::function<void()> again) {
    state.waiting->keys_are_fresh = true;
    return tokens->AwaitKeys(std::move(again));
  });
  return std::nullopt;
}

void CommandHandler::On(hub::Session& session, SessionState& state, const auth::App& app,
                        const dialect::Auth& command) const {
  auto known = WhoBears(session, state, app, command);
  if (!known.has_value()) return;
  StatusOr<auth::IdentityPtr>& identity = *known;
  if (!identity.ok()) {
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
    if (auto why = limits_->UserIsFull(app, (*identity)->user_id)) {
      if (state.owes_auth) return session.Close(wire::CloseCode::kConnectionLimit, *why);
      return Refuse(session, command.id, {"limit", *std::move(why), true});
    }
  }
  // One that owed its token was not among the app's sessions yet.
  if (state.owes_auth && limits_ != nullptr) {
    if (auto why = limits_->AppIsFull(app)) return session.Close(wire::CloseCode::kConnectionLimit, *why);
  }
  std::vector<std::string> streams = state.streams;
  streams.insert(streams.end(), (*identity)->streams.begin(), (*identity)->streams.end());
  if (AskFirst(session, state, QuestionsOf(session, app, identity->get(), {streams, state.wanted}))) return;
  // What the frame says counts for more than what the URL said.
  for (const auto& [stream, wanted] : command.wanted.streams) state.wanted.streams[stream] = wanted;
  if (command.wanted.otherwise.kind != dialect::Wanted::Kind::kNow) state.wanted.otherwise = command.wanted.otherwise;
  hub::SubscribeAnswer inbox =
      session.shard().Identify(session, *std::move(identity), SinceOf(state.wanted.Of(wire::kInboxLog)));
  LookAtUser(session, app, inbox);
  std::vector<std::string> lost = ImposeAnew(session, app);
  state.streams = std::move(streams);
  if (std::exchange(state.owes_auth, false)) return Welcome(session, state, app, command.id, inbox);
  dialect::Authenticated reply{command.id, InfoOf(*session.identity()), {}, {}, {}};
  AddLog(wire::kInboxLog, inbox, &reply.logs);
  for (std::string& stream : lost) {
    reply.refused.push_back({std::move(stream), Forbidden(session.identity().get())});
  }
  streams = std::exchange(state.streams, {});
  dialect::WantedByStream wanted = std::exchange(state.wanted, {});
  SubscribeAll(session, state, app, limits_.get(), {streams, wanted, nullptr, nullptr, state.answers()},
               {&reply.streams, &reply.refused, &reply.logs});
  session.Reply(reply);
}

// A client that goes on asking for what it may not have is looking for something.
void CommandHandler::CountForbidden(hub::Session& session, SessionState& state) {
  if (state.forbidden.Take(session.shard().now(), kMaxForbidden - 1, kForbiddenWindow)) return;
  session.Close(wire::CloseCode::kForbidden, "too many forbidden requests");
}

void CommandHandler::On(hub::Session& session, SessionState& state, const auth::App& app,
                        const dialect::Publish& command) const {
  std::optional<Question> question;
  bool forbidden = false;
  if (!command.stream.empty()) {
    forbidden = AnswerPublish(session, state, app, warnings(), command, &question);
    if (question.has_value()) return Ask(session, state, command, {*std::move(question)});
    if (forbidden) CountForbidden(session, state);
    return;
  }
  auto meant = AnswerEvent(session, state, app, warnings(), command, &forbidden, &question);
  if (question.has_value()) return Ask(session, state, command, {*std::move(question)});
  if (forbidden) CountForbidden(session, state);
  const Answers* known = std::exchange(state.known, nullptr);  // of the event, not of what it stands for
  if (known != nullptr && meant.has_value() && AnswerWithdrawn(session, *known, *meant)) return;
  if (meant.has_value()) std::visit([&](const auto& kind) { On(session, state, app, kind); }, *meant);
}

void CommandHandler::On(hub::Session& session, SessionState&, const auth::App&, const dialect::Sync& command) const {
  AnswerSync(session, command);
}

void CommandHandler::On(hub::Session& session, SessionState&, const auth::App&,
                        const dialect::ListMembers& command) const {
  AnswerMembers(session, command);
}

void CommandHandler::On(hub::Session& session, SessionState& state, const auth::App& app,
                        const dialect::SetMood& command) const {
  if (session.identity() == nullptr) {
    Refuse(session, command.id, {"forbidden", "this session has no user: one with a token might"});
    return CountForbidden(session, state);
  }
  AnswerMood(session, state, app, warnings(), command);
}

void CommandHandler::On(hub::Session& session, SessionState&, const auth::App&, const dialect::Echo& command) const {
  std::string frame;
  wire::AppendFrame(frame, command.opcode, command.payload);
  session.Send(std::move(frame));
}

void CommandHandler::On(hub::Session& session, SessionState&, const auth::App&,
                        const dialect::Nonsense& command) const {
  session.shard().stats().bad_messages.Add();
  LogIgnored(session, command.code);
  Refuse(session, command.id, {command.code, command.message});
}

void CommandHandler::On(hub::Session& session, SessionState&, const auth::App&, const dialect::Refused& command) const {
  session.shard().stats().bad_messages.Add();
  LogIgnored(session, wire::InfoOf(command.code).name);
  session.Close(command.code, wire::InfoOf(command.code).reason);
}

}  // namespace carillon::edge
