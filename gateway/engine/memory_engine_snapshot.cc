#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "gateway/engine/memory_engine.h"
#include "gateway/engine/snapshot.h"

namespace carillon::engine {
namespace {

bool IsEpoch(const std::string& text) {
  constexpr size_t kEpochBytes = 12;
  return !text.empty() && text.size() <= kEpochBytes;
}

Log::Time FromMs(int64_t ms) {
  return Log::Time(std::chrono::milliseconds(ms));
}

// The clock counts nanoseconds and ends in 2262.
constexpr int64_t kMaxSeconds = 9'000'000'000;

bool IsTime(int64_t ms) {
  return ms >= 0 && ms <= kMaxSeconds * 1000;
}

bool HasTimes(const v1::SnapshotMessage& message) {
  const auto& time = message.envelope().time();
  return time.seconds() >= 0 && time.seconds() <= kMaxSeconds && time.nanos() >= 0 && time.nanos() < 1'000'000'000 &&
         IsTime(message.terms().expires_ms()) && IsTime(message.terms().deliver_by_ms());
}

// Makes logs of a snapshot's records, and finds out whether they fit together.
class Collector {
 public:
  Collector(const RulesByApp& rules, Log::Time now) : rules_(rules), now_(now) {}

  // The next record. True after the last one.
  StatusOr<bool> Take(v1::SnapshotRecord record) {
    if (std::exchange(first_, false) != record.has_head()) {
      return absl::DataLossError("is torn: its records are out of order");
    }
    switch (record.kind_case()) {
      case v1::SnapshotRecord::kHead:
        if (!IsEpoch(record.head().era()) || !IsTime(record.head().era_began_ms())) {
          return absl::DataLossError("is torn: its era is none");
        }
        head = std::move(*record.mutable_head());
        return false;
      case v1::SnapshotRecord::kLog:
        RETURN_IF_ERROR(FinishLog());
        pending_ = Pending{std::move(*record.mutable_log()), {}};
        ++seen_logs_;
        return false;
      case v1::SnapshotRecord::kMessage:
        if (!pending_.has_value()) return absl::DataLossError("is torn: a message without a log");
        if (!HasTimes(record.message())) return absl::DataLossError("is torn: a message of an impossible time");
        pending_->frames.push_back(FromSnapshot(std::move(*record.mutable_message())));
        ++seen_messages_;
        return false;
      case v1::SnapshotRecord::kGroup:
        RETURN_IF_ERROR(FinishLog());
        return TakeGroup(record.group());
      case v1::SnapshotRecord::kEnd:
        RETURN_IF_ERROR(FinishLog());
        if (record.end().logs() != seen_logs_ || record.end().messages() != seen_messages_) {
          return absl::DataLossError("is torn: some of its records are missing");
        }
        return true;
      case v1::SnapshotRecord::KIND_NOT_SET:
        break;
    }
    return InvalidArgument("is of another version of Carillon");
  }

  v1::SnapshotHead head;
  std::vector<std::unique_ptr<Log>> logs;
  std::vector<GroupPlace> places;
  uint64_t messages = 0;  // in the logs
  uint64_t left_out = 0;  // logs that the rules no longer want

 private:
  struct Pending {
    v1::SnapshotLog head;
    std::vector<wire::FramePtr> frames;
  };

  // A log is made when its last message has come: only then its first offset is known.
  Status FinishLog() {
    if (!pending_.has_value()) return absl::OkStatus();
    Pending pending = *std::exchange(pending_, std::nullopt);
    const v1::SnapshotLog& log = pending.head;
    bool stream = log.kind() == static_cast<uint32_t>(wire::TopicKind::kStream);
    bool user = log.kind() == static_cast<uint32_t>(wire::TopicKind::kUser);
    bool events = log.kind() == static_cast<uint32_t>(wire::TopicKind::kEvents);
    bool named = (stream && wire::CheckStreamName(log.name()).ok()) || (user && wire::CheckUserId(log.name()).ok()) ||
                 (events && log.name().empty());
    bool sound = named && IsEpoch(log.epoch()) && IsTime(log.complete_since_ms()) &&
                 log.top() >= pending.frames.size() && seen_.insert({log.app(), log.kind(), log.name()}).second;
    uint64_t base = log.top() - pending.frames.size();
    for (size_t i = 0; sound && i < pending.frames.size(); ++i) {
      const v1::Position& position = pending.frames[i]->envelope().position();
      sound = position.epoch() == log.epoch() && position.offset() == base + i + 1;
    }
    if (!sound) return absl::DataLossError("is torn: a log whose messages do not fit it");
    auto app = rules_.IdOf(log.app().empty() ? wire::kDefaultAppName : log.app());
    wire::TopicView topic{app.value_or(wire::kDefaultApp), static_cast<wire::TopicKind>(log.kind()), log.name()};
    const TopicRule& rule = rules_.Find(topic);
    if (!app.has_value() || !rule.logged()) {
      ++left_out;
      return absl::OkStatus();
    }
    auto made = std::make_unique<Log>(topic, rule, log.epoch(), FromMs(log.complete_since_ms()), base);
    Log::Graveyard graveyard;
    for (const wire::FramePtr& frame : pending.frames) made->Append(frame, now_, &graveyard);
    messages += made->messages();
    logs.push_back(std::move(made));
    return absl::OkStatus();
  }

  // False: more follows.
  StatusOr<bool> TakeGroup(const v1::SnapshotGroup& group) {
    constexpr int kMostParts = 64;
    bool sound = wire::CheckStreamName(group.name()).ok() && !group.acknowledged().empty() &&
                 group.acknowledged_size() <= kMostParts;
    GroupPlace place{wire::kDefaultApp, group.name(), {}};
    for (const v1::Position& position : group.acknowledged()) {
      sound = sound && IsEpoch(position.epoch());
      place.acknowledged.push_back({position.epoch(), position.offset()});
    }
    if (!sound) return absl::DataLossError("is torn: a group that is none");
    auto app = rules_.IdOf(group.app().empty() ? wire::kDefaultAppName : group.app());
    if (!app.has_value()) return false;
    place.app = *app;
    places.push_back(std::move(place));
    return false;
  }

  const RulesByApp& rules_;
  const Log::Time now_;
  bool first_ = true;
  std::optional<Pending> pending_;
  absl::flat_hash_set<std::tuple<std::string, uint32_t, std::string>> seen_;
  uint64_t seen_logs_ = 0;
  uint64_t seen_messages_ = 0;
};

}  // namespace

StatusOr<MemoryEngine::SnapshotCounts> MemoryEngine::WriteSnapshot(const std::string& path) {
  SnapshotWriter writer(path);
  RETURN_IF_ERROR(writer.Open());
  ASSIGN_OR_RETURN(SnapshotCounts counts, WriteTo(writer));
  RETURN_IF_ERROR(writer.Commit());
  return counts;
}

StatusOr<MemoryEngine::SnapshotCounts> MemoryEngine::WriteTo(SnapshotWriter& writer) {
  // Up, because they say since when nothing is missing.
  auto ms = [](Log::Time time) {
    return std::chrono::ceil<std::chrono::milliseconds>(time.time_since_epoch()).count();
  };
  auto name_of = [](const Stripe& stripe, wire::AppId app) {
    return app == wire::kDefaultApp ? "" : stripe.rules->NameOf(app).value_or("?");
  };
  SnapshotCounts counts;
  v1::SnapshotRecord record;
  record.mutable_head()->set_era(era().name);
  record.mutable_head()->set_era_began_ms(ms(era().began));
  RETURN_IF_ERROR(writer.Write(record));
  for (Stripe& stripe : stripes_) {
    std::lock_guard lock(stripe.mutex);
    for (const auto& made : stripe.logs) {
      const Log& log = *made;
      v1::SnapshotLog* head = record.mutable_log();
      head->set_app(name_of(stripe, log.topic().app));
      head->set_kind(static_cast<uint32_t>(log.topic().kind));
      head->set_name(log.topic().name);
      head->set_epoch(log.top().epoch);
      head->set_top(log.top().offset);
      head->set_complete_since_ms(ms(log.complete_since()));
      RETURN_IF_ERROR(writer.Write(record));
      ++counts.logs;
      for (const wire::FramePtr& frame : log.After(log.base(), log.messages())) {
        *record.mutable_message() = ToSnapshot(*frame);
        RETURN_IF_ERROR(writer.Write(record));
        ++counts.messages;
      }
    }
  }
  Stripe& feeds = stripes_.back();
  std::lock_guard lock(feeds.mutex);
  for (const GroupPlace& place : feed_.TakePlaces()) {
    // Who resumed somewhere that never was, and has not been told so yet: it must not cost the logs.
    if (!std::all_of(place.acknowledged.begin(), place.acknowledged.end(),
                     [](const wire::Position& at) { return IsEpoch(at.epoch); })) {
      continue;
    }
    v1::SnapshotGroup* group = record.mutable_group();
    group->Clear();
    group->set_app(name_of(feeds, place.app));
    group->set_name(place.group);
    for (const wire::Position& at : place.acknowledged) {
      v1::Position* position = group->add_acknowledged();
      position->set_epoch(at.epoch);
      position->set_offset(at.offset);
    }
    RETURN_IF_ERROR(writer.Write(record));
  }
  record.mutable_end()->set_logs(counts.logs);
  record.mutable_end()->set_messages(counts.messages);
  RETURN_IF_ERROR(writer.Write(record));
  return counts;
}

StatusOr<MemoryEngine::SnapshotCounts> MemoryEngine::LoadSnapshot(const std::string& path) {
  // Of processes that ended between taking it and removing it, and while they wrote: messages in clear.
  ::unlink(TakenSnapshot(path).c_str());
  ::unlink(AsideOf(path).c_str());
  SnapshotReader reader(path);
  RETURN_IF_ERROR(reader.Open());
  Collector collector(*stripes_.front().rules, options_.now());
  for (bool ended = false; !ended;) {
    v1::SnapshotRecord record;
    RETURN_IF_ERROR(reader.Read(&record));
    ASSIGN_OR_RETURN(ended, collector.Take(std::move(record)));
  }
  RETURN_IF_ERROR(reader.CheckEnd());
  if (::rename(path.c_str(), TakenSnapshot(path).c_str()) != 0 || !SyncFolder(path)) {
    return FailedPrecondition("cannot be moved away, and one that is used twice would give offsets out again");
  }
  {
    std::lock_guard lock(era_mutex_);
    era_ = {collector.head.era(), FromMs(collector.head.era_began_ms())};
  }
  if (collector.left_out > 0) BeginEra();  // the rules may want them again one day
  SnapshotCounts counts{collector.logs.size(), collector.messages, collector.left_out};
  std::vector<wire::AppId> recorded;  // whose backends will be back
  for (auto& log : collector.logs) {
    if (log->topic().kind == wire::TopicKind::kEvents) recorded.push_back(log->topic().app);
    Stripe& stripe = StripeOf(log->topic());
    std::lock_guard lock(stripe.mutex);
    Insert(stripe, std::move(log));
  }
  for (wire::AppId app : recorded) feed_.Begin(app);
  feed_.KeepPlaces(std::move(collector.places));
  TrimToBudget();
  return counts;
}

}  // namespace carillon::engine
