#pragma once

#include <array>
#include <atomic>
#include <boost/intrusive/list.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "gateway/base/metrics.h"
#include "gateway/engine/engine.h"
#include "gateway/engine/log.h"
#include "gateway/engine/memory_presence.h"

namespace carillon::engine {

struct MemoryEngineOptions {
  RulesByApp rules;
  size_t log_bytes = 256 << 20;
  size_t request_ids = 1'000'000;
  std::function<wire::WallClock::time_point()> now = [] { return wire::WallClock::now(); };
};

// The embedded engine: one node, logs in memory. A topic's sequencer is the stripe that its hash chooses; a stripe's
// counter serves all its topics, so that topics without a log need no state of their own and empty ones vanish.
// Lock order: presence's, trimming_, a topic's stripe, that of the feeds, then the door's and the request ids' own, and
// era_mutex_.
class MemoryEngine : public Engine {
 public:
  // The door must outlive the engine.
  explicit MemoryEngine(Door& door, MemoryEngineOptions options = {});
  ~MemoryEngine() override;

  using Engine::Publish;
  StatusOr<Published> Publish(Publication& publication) override;
  Subscribed Subscribe(const wire::TopicView& topic, ShardIndex shard, const Since& since = {}) override;
  void Unsubscribe(const wire::TopicView& topic, ShardIndex shard, bool last_of_shard) override;
  CaughtUp CatchUp(const wire::TopicView& topic, const wire::Position& at, size_t limit) override;
  StatusOr<Page> List(const wire::TopicView& topic, const wire::Position* after, size_t limit, size_t bytes) override;
  StatusOr<Cleared> Clear(const wire::TopicView& topic) override;
  const TopicRule& RuleOf(const wire::TopicView& topic) override;
  Presence& presence() override { return presence_; }
  Feed& feed() override { return feed_; }

  // Treats topics by other rules: from the next message and subscription on, and logs at once. Those that the rules no
  // longer want are forgotten. Any thread.
  void SetRules(RulesByApp rules);

  // Forgets messages that are too old, in logs that nobody uses; a part of them each time. Any thread, now and then.
  void Sweep();

  // See MemoryPresence::Sweep.
  void SweepPresence() { presence_.Sweep(); }

  // What was written and read.
  struct SnapshotCounts {
    uint64_t logs = 0;
    uint64_t messages = 0;
    uint64_t left_out = 0;  // logs that the rules no longer want
  };
  // Writes every log to a file, whole or not at all.
  StatusOr<SnapshotCounts> WriteSnapshot(const std::string& path);
  // Takes the logs from the file, whole or not at all, and renames it to TakenSnapshot(path): used twice, it would give
  // offsets out again. The caller removes that, or puts it back where it does not come to life after all.
  // NOT_FOUND where there is none, INVALID_ARGUMENT where it is something else, DATA_LOSS where it is torn. Called
  // before anything is published.
  StatusOr<SnapshotCounts> LoadSnapshot(const std::string& path);

  size_t log_bytes() const { return log_bytes_.load(std::memory_order_relaxed); }

  void Collect(MetricsWriter& writer) const;

 private:
  // 64: more publishers at once than a machine has threads are rarely in one another's way.
  static constexpr size_t kStripes = 64;

  struct Hash {
    using is_transparent = void;
    size_t operator()(const wire::TopicView& topic) const { return wire::HashOf(topic); }
    size_t operator()(const std::unique_ptr<Log>& log) const { return wire::HashOf(log->topic()); }
  };
  struct Equal {
    using is_transparent = void;
    static wire::TopicView View(const wire::TopicView& topic) { return topic; }
    static wire::TopicView View(const std::unique_ptr<Log>& log) { return log->topic(); }
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return View(a) == View(b);
    }
  };
  using Logs = absl::flat_hash_set<std::unique_ptr<Log>, Hash, Equal>;

  // Logs in the order of their use, least recently used first.
  struct ByUse {
    boost::intrusive::list<Log> logs;
    std::atomic<uint64_t> oldest{UINT64_MAX};  // Log::used of the first
  };

  struct alignas(64) Stripe {
    mutable std::mutex mutex;
    std::shared_ptr<const RulesByApp> rules;
    uint64_t sequence = 0;
    Logs logs;
    ByUse full;   // with messages
    ByUse empty;  // without: what is kept of them is their position, which must outlive the messages
  };

  // What logs that do not exist yet are like. It changes whenever one is forgotten, so that a log that begins anew
  // never passes for the one that it was.
  struct Era {
    std::string name;
    Log::Time began;
  };

  // Feeds have a stripe of their own: what happens to a topic is recorded with that topic's lock held.
  Stripe& StripeOf(const wire::TopicView& topic) {
    return stripes_[topic.kind == wire::TopicKind::kEvents ? kStripes : wire::HashOf(topic) % kStripes];
  }
  Era era() const;
  // Of a log that does not exist yet. Each topic has its own, so that one's position is never taken for another's.
  static std::string EpochOf(const Stripe& stripe, const Era& era, const wire::TopicView& topic);
  void BeginEra();

  // All with the stripe's lock.
  Log* FindLog(Stripe& stripe, const wire::TopicView& topic);
  Log& FindOrBegin(Stripe& stripe, const wire::TopicView& topic, const TopicRule& rule);
  Log& Insert(Stripe& stripe, std::unique_ptr<Log> log);
  // Keeps the books and the order while `change()` changes a log: with Use it is now the most recently used.
  template <class Function>
  void Change(Stripe& stripe, Log& log, Function&& change);
  template <class Function>
  void Use(Stripe& stripe, Log& log, Function&& change);
  void Use(Stripe& stripe, Log& log);
  static void Refile(Stripe& stripe, Log& log, ByUse Stripe::*to);
  void Forget(Stripe& stripe, Log& log);
  void Erase(Stripe& stripe, Log& log);  // one without messages

  void BeginFeed(const wire::TopicView& feed);
  void AppendToFeed(const wire::TopicView& feed, wire::FramePtr event);
  void RecordStream(v1::EventKind kind, const wire::TopicView& topic);

  void TrimToBudget();
  bool TrimOnce(Log::Graveyard* graveyard);
  Stripe* LeastRecentlyUsed(ByUse Stripe::*list);
  StatusOr<SnapshotCounts> WriteTo(class SnapshotWriter& writer);

  Door& door_;
  const MemoryEngineOptions options_;
  RequestIds request_ids_;
  Feed feed_;
  MemoryPresence presence_;
  std::array<Stripe, kStripes + 1> stripes_;
  std::atomic<size_t> log_bytes_{0};
  std::atomic<size_t> empty_bytes_{0};  // of these, those of logs without messages
  std::atomic<uint64_t> uses_{0};
  std::mutex trimming_;
  std::atomic<size_t> sweep_at_{0};  // the stripe
  SharedCounter trimmed_;
  SharedCounter forgotten_;
  SharedCounter duplicates_;

  mutable std::mutex era_mutex_;
  Era era_;
};

}  // namespace carillon::engine
