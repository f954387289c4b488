#include "gateway/engine/memory_engine.h"

#include <algorithm>
#include <boost/crc.hpp>
#include <utility>

#include "gateway/base/random.h"

namespace carillon::engine {
namespace {

// Twelve characters, which fit a string without memory of its own.
std::string NewEpoch() {
  return RandomHex(6);
}

// How many messages are forgotten before others get the lock.
constexpr size_t kTrimAtOnce = 256;

// How much of the logs a sweep looks at: all of them in 16.
constexpr size_t kSweptStripes = 4;

// Positions may take this part of the memory of logs before they are forgotten instead of messages.
constexpr size_t kEmptyShare = 4;

Status NoLog(const wire::TopicView& topic) {
  return topic.kind == wire::TopicKind::kStream
             ? FailedPrecondition("the stream {} keeps no log (config: streams[].log)", topic.name)
             : FailedPrecondition("there is no log here (config: inbox)");
}

}  // namespace

MemoryEngine::MemoryEngine(Door& door, MemoryEngineOptions options)
    : door_(door),
      options_(std::move(options)),
      request_ids_(options_.request_ids),
      feed_([this](const wire::TopicView& feed, wire::FramePtr event) { AppendToFeed(feed, std::move(event)); },
            [this](wire::AppId app) { BeginFeed(Feed::TopicOf(app)); }),
      presence_(
          [this](const wire::TopicView& stream, wire::FramePtr frame) {
            Publication publication{stream, std::move(frame)};
            publication.skip_history = true;  // a log of comings and goings would soon hold nothing else
            return Publish(publication).ok();
          },
          feed_) {
  auto rules = std::make_shared<const RulesByApp>(options_.rules);
  for (Stripe& stripe : stripes_) stripe.rules = rules;
  BeginEra();
}

MemoryEngine::~MemoryEngine() {
  for (Stripe& stripe : stripes_) {
    stripe.full.logs.clear();
    stripe.empty.logs.clear();
  }
}

// --- Messages --------------------------------------------------------------------------------------------------------

StatusOr<Published> MemoryEngine::Publish(Publication& publication) {
  const wire::TopicView& topic = publication.topic;
  RequestIds::Time now = publication.request_id.empty() ? RequestIds::Time() : std::chrono::steady_clock::now();
  Published published;
  ShardSet wake = 0;
  Log::Graveyard graveyard;
  {
    Stripe& stripe = StripeOf(topic);
    std::lock_guard lock(stripe.mutex);
    const TopicRule& rule = stripe.rules->Find(topic);
    bool logged = rule.logged() && !publication.skip_history;
    if (publication.expected != nullptr && !logged) return NoLog(topic);
    if (!publication.request_id.empty()) {
      if (auto found = request_ids_.Find(topic, publication.request_id, now)) {
        if (found->fingerprint != publication.fingerprint) {
          return absl::AlreadyExistsError("options.request_id: was used for another message within five minutes");
        }
        duplicates_.Add();
        return Published{std::move(found->outcome), true, 0};
      }
    }
    Log* log = logged ? &FindOrBegin(stripe, topic, rule) : nullptr;
    if (publication.expected != nullptr && log->top() != *publication.expected) {
      return absl::AbortedError(fmt::format("options.expected_position: the log stands at epoch {}, offset {}",
                                            log->top().epoch, log->top().offset));
    }
    Audience audience = door_.Find(topic);
    if (audience.shards != 0 && !door_.HasRoom(audience.shards, *publication.frame)) {
      return ResourceExhausted("the gateway is behind: a shard's mailbox is full");
    }
    PublishOutcome& outcome = published;
    outcome.sessions = audience.sessions;
    published.shards = audience.shards;
    wire::FramePtr frame = std::move(publication.frame);
    if (log != nullptr) {
      outcome.position = log->next();
      frame = wire::Frame::At(std::move(frame), *outcome.position,
                              topic.kind == wire::TopicKind::kUser ? wire::kInboxLog : std::string_view());
      Use(stripe, *log, [&] { log->Append(frame, options_.now(), &graveyard); });
    }
    if (!publication.request_id.empty()) {
      outcome.message_id = frame->envelope().id();
      request_ids_.Add(topic, publication.request_id, publication.fingerprint, outcome, now);
    }
    if (audience.shards != 0) {
      Delivery delivery{wire::Topic(topic), std::move(frame), ++stripe.sequence, &rule, 0, publication.report};
      wake = door_.Deliver(audience.shards, delivery);
    }
  }
  door_.Wake(wake);
  if (log_bytes() > options_.log_bytes) TrimToBudget();
  return published;
}

// As Publish, but that nobody on a shard hears it, and that it may be called with the locks of presence and of another
// topic: so nothing is trimmed here to what all logs together may have. Sweep does that.
void MemoryEngine::AppendToFeed(const wire::TopicView& feed, wire::FramePtr event) {
  Log::Graveyard graveyard;
  Stripe& stripe = StripeOf(feed);
  {
    std::lock_guard lock(stripe.mutex);
    const TopicRule& rule = stripe.rules->Find(feed);
    if (!rule.logged()) return;
    Log& log = FindOrBegin(stripe, feed, rule);
    wire::FramePtr placed = wire::Frame::At(std::move(event), log.next(), {});
    Use(stripe, log, [&] { log.Append(placed, options_.now(), &graveyard); });
  }
  door_.Announce(feed.app);
}

void MemoryEngine::BeginFeed(const wire::TopicView& feed) {
  Stripe& stripe = StripeOf(feed);
  std::lock_guard lock(stripe.mutex);
  const TopicRule& rule = stripe.rules->Find(feed);
  if (rule.logged()) FindOrBegin(stripe, feed, rule);
}

// With the topic's stripe locked, so that coming and going are recorded in their order.
void MemoryEngine::RecordStream(v1::EventKind kind, const wire::TopicView& topic) {
  if (topic.kind != wire::TopicKind::kStream) return;
  feed_.Record(topic.app, kind, [&](v1::FeedEvent& event) { event.set_stream(std::string(topic.name)); });
}

Subscribed MemoryEngine::Subscribe(const wire::TopicView& topic, ShardIndex shard, const Since& since) {
  Log::Graveyard graveyard;
  Stripe& stripe = StripeOf(topic);
  std::lock_guard lock(stripe.mutex);
  const TopicRule& rule = stripe.rules->Find(topic);
  Subscribed subscribed;
  subscribed.interest = door_.Join(topic, shard);
  subscribed.sessions = subscribed.interest->sessions();  // which change with this stripe's lock only
  if (subscribed.sessions == 1) RecordStream(v1::EVENT_KIND_STREAM_OCCUPIED, topic);
  subscribed.sequence = stripe.sequence;
  subscribed.rule = &rule;
  if (!rule.logged()) {
    if (since.kind != Since::Kind::kNow) subscribed.replay.recovery = Recovery::kDisabled;
    return subscribed;
  }
  auto now = options_.now();
  if (Log* log = FindLog(stripe, topic)) {
    Use(stripe, *log, [&] { subscribed.replay = log->Read(since, now, &graveyard); });
    subscribed.top = log->top();
  } else {
    // As one that has no messages; it is made when the first one comes.
    Era unborn = era();
    Log empty(topic, rule, EpochOf(stripe, unborn, topic), unborn.began);
    subscribed.replay = empty.Read(since, now, &graveyard);
    subscribed.top = empty.top();
  }
  return subscribed;
}

void MemoryEngine::Unsubscribe(const wire::TopicView& topic, ShardIndex shard, bool last_of_shard) {
  Stripe& stripe = StripeOf(topic);
  std::lock_guard lock(stripe.mutex);
  if (!feed_.Records(topic.app)) return door_.Leave(topic, shard, last_of_shard);
  wire::Topic kept(topic);  // it may borrow its name from what Leave forgets
  door_.Leave(topic, shard, last_of_shard);
  if (door_.Find(kept).sessions == 0) RecordStream(v1::EVENT_KIND_STREAM_VACATED, kept);
}

CaughtUp MemoryEngine::CatchUp(const wire::TopicView& topic, const wire::Position& at, size_t limit) {
  Stripe& stripe = StripeOf(topic);
  std::lock_guard lock(stripe.mutex);
  CaughtUp next;
  next.sequence = stripe.sequence;
  next.at = at;
  Log* log = FindLog(stripe, topic);
  if (log == nullptr) {
    std::string unborn = EpochOf(stripe, era(), topic);
    next.broken = at.epoch != unborn;
    if (next.broken) next.at = {unborn, 0};
    return next;
  }
  Use(stripe, *log);
  bool ahead = at.epoch == log->top().epoch && at.offset > log->top().offset;
  next.broken = ahead || !log->Continues(at.epoch);
  if (ahead) {
    next.at.offset = log->base();
  } else if (at.epoch != log->top().epoch) {
    if (!next.broken) next.lost = log->ClearedAfter(at);
    next.at = {log->top().epoch, 0};
  }
  if (next.at.offset < log->base()) {
    uint64_t missing = log->base() - next.at.offset;
    (log->rule().log.mode == LogMode::kLatest ? next.conflated : next.lost) += missing;
    next.at.offset = log->base();
  }
  next.frames = log->After(next.at.offset, limit);
  return next;
}

// --- Logs ------------------------------------------------------------------------------------------------------------

StatusOr<Page> MemoryEngine::List(const wire::TopicView& topic, const wire::Position* after, size_t limit,
                                  size_t bytes) {
  Log::Graveyard graveyard;
  Stripe& stripe = StripeOf(topic);
  std::lock_guard lock(stripe.mutex);
  if (!stripe.rules->Find(topic).logged()) return NoLog(topic);
  Log* log = FindLog(stripe, topic);
  Page page;
  page.top = log == nullptr ? wire::Position{EpochOf(stripe, era(), topic), 0} : log->top();
  uint64_t base = 0;
  if (log != nullptr) {
    Use(stripe, *log, [&] { log->TrimAge(options_.now(), &graveyard); });
    base = log->base();
  }
  if (after != nullptr) {
    bool known = after->epoch == page.top.epoch && after->offset <= page.top.offset;
    if (!known || after->offset < base) {
      return absl::AbortedError(
          fmt::format("the log does not hold everything after that position: it stands at epoch {}, offset {}, and "
                      "begins after offset {}",
                      page.top.epoch, page.top.offset, base));
    }
    base = after->offset;
  }
  if (log == nullptr) return page;
  page.frames = log->After(base, limit);
  size_t fit = 0;
  size_t used = 0;
  while (fit < page.frames.size() && used < bytes) used += page.frames[fit++]->bytes();
  page.frames.resize(fit);
  page.more = base + fit < page.top.offset;
  return page;
}

StatusOr<Cleared> MemoryEngine::Clear(const wire::TopicView& topic) {
  Log::Graveyard graveyard;
  Stripe& stripe = StripeOf(topic);
  std::lock_guard lock(stripe.mutex);
  const TopicRule& rule = stripe.rules->Find(topic);
  if (!rule.logged()) return NoLog(topic);
  Log& log = FindOrBegin(stripe, topic, rule);
  Cleared cleared;
  cleared.messages = log.messages();
  Use(stripe, log, [&] { log.Clear(NewEpoch(), options_.now(), &graveyard); });
  cleared.top = log.top();
  return cleared;
}

const TopicRule& MemoryEngine::RuleOf(const wire::TopicView& topic) {
  Stripe& stripe = StripeOf(topic);
  std::lock_guard lock(stripe.mutex);
  return stripe.rules->Find(topic);
}

Log* MemoryEngine::FindLog(Stripe& stripe, const wire::TopicView& topic) {
  auto it = stripe.logs.find(topic);
  return it == stripe.logs.end() ? nullptr : it->get();
}

Log& MemoryEngine::FindOrBegin(Stripe& stripe, const wire::TopicView& topic, const TopicRule& rule) {
  if (Log* log = FindLog(stripe, topic)) return *log;
  Era now = era();
  return Insert(stripe, std::make_unique<Log>(topic, rule, EpochOf(stripe, now, topic), now.began));
}

Log& MemoryEngine::Insert(Stripe& stripe, std::unique_ptr<Log> made) {
  Log& log = **stripe.logs.insert(std::move(made)).first;
  log_bytes_.fetch_add(log.bytes(), std::memory_order_relaxed);
  empty_bytes_.fetch_add(log.own_bytes(), std::memory_order_relaxed);
  stripe.empty.logs.push_back(log);
  Use(stripe, log);
  return log;
}

template <class Function>
void MemoryEngine::Change(Stripe& stripe, Log& log, Function&& change) {
  size_t before = log.bytes();
  change();
  log_bytes_.fetch_add(log.bytes() - before, std::memory_order_relaxed);
  bool full = log.messages() > 0;
  if (full == log.in_full) return;
  empty_bytes_.fetch_add(full ? -log.own_bytes() : log.own_bytes(), std::memory_order_relaxed);
  Refile(stripe, log, full ? &Stripe::full : &Stripe::empty);
}

template <class Function>
void MemoryEngine::Use(Stripe& stripe, Log& log, Function&& change) {
  log.used = uses_.fetch_add(1, std::memory_order_relaxed);
  Change(stripe, log, change);
  Refile(stripe, log, log.in_full ? &Stripe::full : &Stripe::empty);
}

void MemoryEngine::Use(Stripe& stripe, Log& log) {
  Use(stripe, log, [] {});
}

// Puts the log at the end of a list, wherever it is now.
void MemoryEngine::Refile(Stripe& stripe, Log& log, ByUse Stripe::*to) {
  ByUse& from = log.in_full ? stripe.full : stripe.empty;
  ByUse& list = stripe.*to;
  list.logs.splice(list.logs.end(), from.logs, from.logs.iterator_to(log));
  log.in_full = &list == &stripe.full;
  for (ByUse* touched : {&from, &list}) {
    touched->oldest.store(touched->logs.empty() ? UINT64_MAX : touched->logs.front().used, std::memory_order_relaxed);
  }
}

void MemoryEngine::Forget(Stripe& stripe, Log& log) {
  BeginEra();
  forgotten_.Add();
  Erase(stripe, log);
}

void MemoryEngine::Erase(Stripe& stripe, Log& log) {
  log_bytes_.fetch_sub(log.own_bytes(), std::memory_order_relaxed);
  empty_bytes_.fetch_sub(log.own_bytes(), std::memory_order_relaxed);
  ByUse& list = stripe.empty;
  list.logs.erase(list.logs.iterator_to(log));
  list.oldest.store(list.logs.empty() ? UINT64_MAX : list.logs.front().used, std::memory_order_relaxed);
  stripe.logs.erase(stripe.logs.find(wire::TopicView(log.topic())));
}

MemoryEngine::Era MemoryEngine::era() const {
  std::lock_guard lock(era_mutex_);
  return era_;
}

// The same in the next process, which has the era from the snapshot.
std::string MemoryEngine::EpochOf(const Stripe& stripe, const Era& era, const wire::TopicView& topic) {
  boost::crc_optimal<64, 0x42F0E1EBA9EA3693, ~uint64_t{0}, ~uint64_t{0}, true, true> crc;
  crc.process_bytes(era.name.data(), era.name.size());
  crc.process_byte(static_cast<uint8_t>(topic.kind));
  if (topic.app != wire::kDefaultApp) {  // by its name: its number is this process's
    std::string app = stripe.rules->NameOf(topic.app).value_or("");
    crc.process_bytes(app.data(), app.size());
  }
  crc.process_bytes(topic.name.data(), topic.name.size());
  return fmt::format("{:012x}", crc.checksum() >> 16);
}

void MemoryEngine::BeginEra() {
  std::lock_guard lock(era_mutex_);
  era_ = {NewEpoch(), options_.now()};
}

// --- Bounds ----------------------------------------------------------------------------------------------------------

void MemoryEngine::TrimToBudget() {
  // Once more when the lock is given back: somebody may have added to the logs just before, and found it taken.
  while (log_bytes() > options_.log_bytes) {
    std::unique_lock trimming(trimming_, std::try_to_lock);
    if (!trimming.owns_lock()) return;  // whoever has it goes on until the budget is kept
    Log::Graveyard graveyard;
    while (log_bytes() > options_.log_bytes) {
      if (!TrimOnce(&graveyard)) return;
      graveyard.clear();
    }
  }
}

// Which logs that is may change meanwhile; then the next best will do.
MemoryEngine::Stripe* MemoryEngine::LeastRecentlyUsed(ByUse Stripe::*list) {
  Stripe* found = nullptr;
  uint64_t oldest = UINT64_MAX;
  for (Stripe& stripe : stripes_) {
    // Feeds are few, and who watches a quiet one would be told that something is lost.
    if (list == &Stripe::empty && &stripe == &stripes_.back()) continue;
    uint64_t used = (stripe.*list).oldest.load(std::memory_order_relaxed);
    if (used < oldest) {
      oldest = used;
      found = &stripe;
    }
  }
  return found;
}

// A step: some messages of the log that was used least recently; or, where positions take too much or there are no
// messages, such a log itself. False where there is nothing to trim.
bool MemoryEngine::TrimOnce(Log::Graveyard* graveyard) {
  Stripe* full = LeastRecentlyUsed(&Stripe::full);
  bool positions = full == nullptr || empty_bytes_.load(std::memory_order_relaxed) > options_.log_bytes / kEmptyShare;
  if (Stripe* stripe = positions ? LeastRecentlyUsed(&Stripe::empty) : nullptr) {
    std::lock_guard lock(stripe->mutex);
    if (!stripe->empty.logs.empty()) Forget(*stripe, stripe->empty.logs.front());
    return true;
  }
  if (full == nullptr) return false;
  std::lock_guard lock(full->mutex);
  if (full->full.logs.empty()) return true;
  Log& log = full->full.logs.front();
  size_t all = log_bytes();
  size_t excess = all - std::min(all, options_.log_bytes);
  Change(*full, log, [&] {
    size_t before = log.bytes();
    for (size_t i = 0; i < kTrimAtOnce && log.messages() > 0 && before - log.bytes() < excess; ++i) {
      log.TrimOldest(graveyard);
      trimmed_.Add();
    }
  });
  return true;
}

void MemoryEngine::SetRules(RulesByApp rules) {
  auto shared = std::make_shared<const RulesByApp>(std::move(rules));
  auto now = options_.now();
  bool erased = false;
  for (Stripe& stripe : stripes_) {
    Log::Graveyard graveyard;  // freed without the lock, as are the rules
    std::shared_ptr<const RulesByApp> old = shared;
    std::lock_guard lock(stripe.mutex);
    stripe.rules.swap(old);
    std::vector<Log*> unwanted;
    for (const auto& made : stripe.logs) {
      Log& log = *made;
      const TopicRule& rule = shared->Find(log.topic());
      if (&rule == &log.rule()) continue;
      if (!rule.logged()) unwanted.push_back(&log);
      Change(stripe, log, [&] {
        if (rule.logged()) {
          log.SetRule(rule, now, &graveyard);
        } else {
          log.Clear(NewEpoch(), now, &graveyard);
        }
      });
    }
    if (!unwanted.empty() && !std::exchange(erased, true)) BeginEra();
    for (Log* log : unwanted) Erase(stripe, *log);
  }
  presence_.SetRules([&](const wire::TopicView& topic) -> const TopicRule& { return shared->Find(topic); });
  TrimToBudget();
}

void MemoryEngine::Sweep() {
  auto now = options_.now();
  for (size_t i = 0; i < kSweptStripes; ++i) {
    Log::Graveyard graveyard;  // freed without the lock
    Stripe& stripe = stripes_[sweep_at_.fetch_add(1, std::memory_order_relaxed) % stripes_.size()];
    std::lock_guard lock(stripe.mutex);
    auto& logs = stripe.full.logs;
    for (auto it = logs.begin(); it != logs.end();) {
      Log& log = *it++;
      if (log.oldest() + log.rule().log.age <= now) Change(stripe, log, [&] { log.TrimAge(now, &graveyard); });
    }
  }
  if (log_bytes() > options_.log_bytes) TrimToBudget();
}

// --- Metrics ---------------------------------------------------------------------------------------------------------

void MemoryEngine::Collect(MetricsWriter& writer) const {
  presence_.Collect(writer);
  feed_.Collect(writer);
  size_t logs = 0;
  size_t messages = 0;
  for (const Stripe& stripe : stripes_) {
    std::lock_guard lock(stripe.mutex);
    logs += stripe.logs.size();
    for (const Log& log : stripe.full.logs) messages += log.messages();
  }
  writer.Gauge("carillon_logs", "Logs that there are.", static_cast<double>(logs));
  writer.Gauge("carillon_log_messages", "Messages in logs.", static_cast<double>(messages));
  writer.Gauge("carillon_log_bytes", "Memory of logs, as it counts for engine.memory.log_bytes.",
               static_cast<double>(log_bytes()));
  writer.Gauge("carillon_log_bytes_limit", "engine.memory.log_bytes.", static_cast<double>(options_.log_bytes));
  writer.Counter("carillon_log_trimmed_total", "Messages that logs lost because all logs together were too large.",
                 trimmed_.value());
  writer.Counter("carillon_logs_forgotten_total", "Logs that were forgotten whole for the same reason.",
                 forgotten_.value());
  writer.Gauge("carillon_request_ids", "Publications that are remembered by their request_id.",
               static_cast<double>(request_ids_.size()));
  writer.Counter("carillon_duplicates_total", "Publications that were not sent again.", duplicates_.value());
}

}  // namespace carillon::engine
