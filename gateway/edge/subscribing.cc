#include "gateway/edge/subscribing.h"

#include <algorithm>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "gateway/edge/refusals.h"
#include "gateway/hub/shard.h"

namespace carillon::edge {
namespace {

constexpr uint32_t kMostEntered = 1000;
constexpr std::chrono::seconds kEnteredWindow{10};

constexpr uint32_t kOverloadedWaitMs = 1000;

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
std::optional<dialect::Refusal> JudgeSubscribe(const auth::App& app, const auth::Identity* identity,
                                               const std::string& stream, bool listens,
                                               const StringMap<std::string>* tokens,
                                               std::map<std::string, std::string>* imposed) {
  const auth::StreamAccess& rule = app.catalogue.Find(stream);
  if (rule.reserved) return Reserved();
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

// The same of a backend that is asked as well.
std::optional<dialect::Refusal> JudgeAnswer(const Answers* answers, const std::string& stream,
                                            const std::string& backend) {
  if (answers != nullptr && answers->HasWithdrawn(stream)) return Withdrawn();
  if (answers == nullptr || !answers->streams.contains(stream)) {
    return dialect::Refusal{"overloaded", "too many backends would be asked at once", true, kOverloadedWaitMs};
  }
  const auto& [asked, answer] = answers->streams.find(stream)->second;
  if (asked != backend) return RulesHaveChanged();
  if (!answer.ok()) return Unanswered(answer.status());
  if (const auto* refusal = std::get_if<hooks::Refusal>(&*answer)) {
    return dialect::Refusal{"forbidden", refusal->message.empty() ? "this session may not" : refusal->message};
  }
  return std::nullopt;
}

bool ListensTo(hub::Session& session, const std::string& stream) {
  const hub::LocalTopic* known = session.shard().FindTopic(session.StreamTopic(stream));
  return known != nullptr && session.Listens(known);
}

// Coming and going is told to everybody in a stream: more often than messages may be published it is not.
std::optional<dialect::Refusal> JudgeEntering(hub::Session& session, const std::string& stream, RateWindow& entered) {
  wire::TopicView topic = session.StreamTopic(stream);
  if (session.identity() == nullptr || !session.shard().engine().KeepsPresence(topic)) return std::nullopt;
  auto now = RateWindow::Clock::now();
  if (entered.Take(now, kMostEntered, kEnteredWindow)) return std::nullopt;
  return TooFast(session,
                 fmt::format("at most {} streams that know who is there in {} s", kMostEntered, kEnteredWindow.count()),
                 entered.Wait(now, kEnteredWindow));
}

// What the subscriber wants, and what the stream's rule lets it have.
wire::FilterPtr WithImposed(const wire::FilterPtr& wanted, const std::map<std::string, std::string>& imposed) {
  if (imposed.empty()) return wanted;
  wire::Filter filter = wanted == nullptr ? wire::Filter() : *wanted;
  filter.imposed = imposed;
  return std::make_shared<const wire::Filter>(std::move(filter));
}

}  // namespace

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

void AddLog(std::string_view log, const hub::SubscribeAnswer& answer, std::vector<dialect::LogState>* logs) {
  if (answer.at.epoch.empty() && answer.recovery == engine::Recovery::kNotAsked) return;
  logs->push_back({std::string(log), answer.at, answer.top.offset, RecoveredOf(answer.recovery)});
}

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
    wire::TopicView topic = session.StreamTopic(stream);
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

std::vector<Question> QuestionsOf(hub::Session& session, const auth::App& app, const auth::Identity* identity,
                                  const StreamsAsked& asked) {
  std::vector<Question> questions;
  if (!app.catalogue.AsksBackends()) return questions;
  absl::flat_hash_set<std::string_view> seen;
  size_t room =
      session.settings().max_subscriptions - std::min<size_t>(session.streams(), session.settings().max_subscriptions);
  for (const std::string& stream : asked.streams) {
    if (!seen.insert(stream).second || !wire::CheckStreamName(stream).ok() || ListensTo(session, stream)) continue;
    const std::string& backend = app.catalogue.Find(stream).subscribe_hook;
    std::map<std::string, std::string> imposed;
    if (backend.empty() || JudgeSubscribe(app, identity, stream, false, asked.tokens, &imposed).has_value()) continue;
    if (questions.size() == room) break;
    questions.push_back(MaySubscribe(app, session, identity, backend, stream));
  }
  return questions;
}

bool SubscribeAll(hub::Session& session, SessionState& state, const auth::App& app, ConnectionLimits* limits,
                  const StreamsAsked& asked, const Judged& judged) {
  const wire::FilterPtr* filter = asked.filter;
  size_t taken = session.streams();
  uint32_t limit = session.settings().max_subscriptions;
  bool forbidden = false;
  wire::FilterPtr made;
  absl::flat_hash_set<std::string_view> seen;
  for (const std::string& stream : asked.streams) {
    if (!seen.insert(stream).second) continue;
    bool listens = ListensTo(session, stream);
    // What costs nothing first: patterns are matched only with names, and only while there is room.
    std::map<std::string, std::string> imposed;
    std::optional<dialect::Refusal> refusal;
    if (Status named = wire::CheckStreamName(stream); !named.ok()) {
      refusal = dialect::Refusal{"bad_stream", MessageOf(named)};
    } else if (!listens && taken >= limit) {
      refusal = dialect::Refusal{"limit", fmt::format("a session may subscribe to at most {} streams", limit)};
    } else {
      refusal = JudgeSubscribe(app, session.identity().get(), stream, listens, asked.tokens, &imposed);
    }
    if (const std::string& hook = app.catalogue.Find(stream).subscribe_hook;
        !refusal.has_value() && !listens && !hook.empty()) {
      refusal = JudgeAnswer(asked.answers, stream, hook);
    }
    if (!refusal.has_value() && !listens && limits != nullptr) {
      if (auto full = limits->StreamsAreFull(app, stream)) refusal = dialect::Refusal{"limit", *full, true};
    }
    if (!refusal.has_value() && !listens) refusal = JudgeEntering(session, stream, state.entered);
    const dialect::Wanted& since = asked.wanted.Of(stream);
    if (refusal.has_value()) {
      std::string name = stream.substr(0, wire::kMaxStreamBytes);
      forbidden = forbidden || refusal->code == "forbidden";
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
    wire::TopicView topic = session.StreamTopic(stream);
    bool stays = listens && filter == nullptr;  // with what it wants of it
    wire::FilterPtr wish = stays ? WithImposed(session.FilterOf(topic), imposed) : made;
    hub::SubscribeAnswer answer = session.shard().Subscribe(session, topic, {SinceOf(since), std::move(wish)});
    if (answer.fresh && !listens && LimitWarnings::Crosses(++taken, limit) && limits != nullptr) {
      limits->warnings().Tell({"subscriptions", app.name, taken, limit, "edge.endpoints[].max_subscriptions"},
                              session.id().ToString());
    }
    judged.taken->push_back(stream);
    AddLog(stream, answer, judged.logs);
  }
  for (const auto& [stream, since] : asked.wanted.streams) {
    if (seen.contains(stream) || stream == wire::kInboxLog) continue;
    judged.refused->push_back({stream.substr(0, wire::kMaxStreamBytes),
                               {"not_subscribed", "\"recover\" names it, but it is not among the streams"}});
  }
  return forbidden;
}

}  // namespace carillon::edge
