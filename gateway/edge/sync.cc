#include "gateway/edge/sync.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "gateway/edge/subscribing.h"
#include "gateway/hub/shard.h"

namespace carillon::edge {
namespace {

// So many messages are looked at for the one that the client had last: a bound on what one request may cost.
constexpr size_t kMostSearched = 10'000;
constexpr size_t kPage = 500;
constexpr size_t kPageBytes = 64 << 20;

// A message in a log.
struct Found {
  size_t log;
  wire::Position at;
  int64_t time_ms;
};

int64_t MillisecondsOf(const google::protobuf::Timestamp& time) {
  return time.seconds() * 1000 + time.nanos() / 1'000'000;
}

// What of a log has not been looked at yet: the messages after `base`, up to `upto`.
struct Unsearched {
  size_t log;
  std::string epoch;
  uint64_t base;
  uint64_t upto;
};

// Nothing where the log is empty.
std::optional<Unsearched> Whole(engine::Engine& engine, const std::vector<wire::Topic>& logs, size_t log) {
  auto oldest = engine.List(logs[log], nullptr, 1, 1);
  if (!oldest.ok() || oldest->frames.empty()) return std::nullopt;
  return Unsearched{log, oldest->top.epoch, oldest->frames.front()->position().offset - 1, oldest->top.offset};
}

// The newest messages of every log first, since what a client had last is rarely old; a page of each in turn, so that a
// long log does not use up what there is for all.
std::optional<Found> Find(engine::Engine& engine, const std::vector<wire::Topic>& logs, const std::string& message) {
  std::deque<Unsearched> left;
  for (size_t i = 0; i < logs.size(); ++i) {
    if (auto whole = Whole(engine, logs, i)) left.push_back(*std::move(whole));
  }
  for (size_t searched = 0; !left.empty() && searched < kMostSearched;) {
    Unsearched next = std::move(left.front());
    left.pop_front();
    uint64_t from = next.upto - std::min<uint64_t>(kPage, next.upto - next.base);
    wire::Position after{next.epoch, from};
    auto page = engine.List(logs[next.log], &after, next.upto - from, kPageBytes);
    if (!page.ok()) continue;  // what was left of it was trimmed meanwhile
    for (const wire::FramePtr& frame : page->frames) {
      const v1::Envelope& envelope = frame->envelope();
      if (envelope.id() == message) return Found{next.log, frame->position(), MillisecondsOf(envelope.time())};
    }
    searched += next.upto - from;
    next.upto = from;
    if (from > next.base) left.push_back(std::move(next));
  }
  return std::nullopt;
}

// What of a log the client is to get; nothing where that is nothing.
std::optional<engine::Since> MissedOf(const dialect::Sync& command, const std::optional<Found>& found, size_t log) {
  engine::Since since;
  if (found.has_value() && found->log == log) {
    since.kind = engine::Since::Kind::kPosition;
    since.position = found->at;
    return since;
  }
  if (!found.has_value() && !command.time_ms.has_value()) return std::nullopt;
  dialect::Wanted wanted;
  wanted.kind = dialect::Wanted::Kind::kTime;
  wanted.time_ms = found.has_value() ? found->time_ms : *command.time_ms;
  return SinceOf(wanted);
}

std::string_view NameOf(const wire::Topic& topic) {
  return topic.kind == wire::TopicKind::kUser ? wire::kInboxLog : std::string_view(topic.name);
}

}  // namespace

void AnswerSync(hub::Session& session, const dialect::Sync& command) {
  engine::Engine& engine = session.shard().engine();
  dialect::SyncState state;
  state.id = command.id;
  std::vector<wire::Topic> logs;
  for (const hub::Subscription& subscription : session.subscriptions()) {
    wire::TopicView topic = subscription.topic->interest->topic();
    bool stream = topic.kind == wire::TopicKind::kStream;
    if (stream) state.streams.emplace_back(topic.name);
    if (!stream && topic.kind != wire::TopicKind::kUser) continue;
    if (engine.RuleOf(topic).logged()) logs.emplace_back(topic);
  }
  std::optional<Found> found;
  if (!command.last_message.empty()) found = Find(engine, logs, command.last_message);
  bool lost = !command.last_message.empty() && !found.has_value() && !command.time_ms.has_value();
  for (size_t i = 0; i < logs.size(); ++i) {
    if (auto since = MissedOf(command, found, i)) {
      AddLog(NameOf(logs[i]), session.shard().Subscribe(session, logs[i], {*since, session.FilterOf(logs[i])}),
             &state.logs);
    } else if (auto page = engine.List(logs[i], nullptr, 1, 1); page.ok()) {
      state.logs.push_back({std::string(NameOf(logs[i])), page->top, page->top.offset,
                            lost ? dialect::Recovered::kTrimmed : dialect::Recovered::kNotAsked});
    }
  }
  state.server_time_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  session.Reply(state);
}

}  // namespace carillon::edge
