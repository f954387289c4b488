#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <queue>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "gateway/base/metrics.h"
#include "gateway/engine/feed.h"
#include "gateway/engine/presence.h"
#include "gateway/wire/frame.h"

namespace carillon::engine {

// Presence of one node, in memory.
// Lock order: a stripe, then what publishing takes: an event is published with the lock held, so that subscribers see
// changes in the order in which they happen.
class MemoryPresence : public Presence {
 public:
  using Clock = std::chrono::steady_clock;

  // Publishes to the stream; false: not now.
  using Publish = std::function<bool(const wire::TopicView& stream, wire::FramePtr frame)>;

  // The feed must outlive it.
  MemoryPresence(Publish publish, Feed& feed, std::function<Clock::time_point()> now = Clock::now)
      : publish_(std::move(publish)), feed_(feed), now_(std::move(now)) {}

  void Enter(const wire::TopicView& stream, const TopicRule& rule, SessionId session, const Person& person) override;
  void Leave(const wire::TopicView& stream, SessionId session, std::string_view user_id, Leaving leaving) override;
  void EndGrace(wire::AppId app, std::string_view user_id) override;
  Status SetMood(const wire::TopicView& stream, std::string_view user_id, const wire::Mood& mood) override;
  Members List(const wire::TopicView& stream, std::string_view after, size_t limit, bool all) const override;

  // Those whose grace has passed leave, and what waits is published. Several times a second, any thread.
  void Sweep();

  // Other rules: where one keeps no presence any more, who is there is forgotten, and nobody is told. Sessions that
  // were there before a rule began to are not known until they Enter.
  void SetRules(const std::function<const TopicRule&(const wire::TopicView&)>& rule_of);

  void Collect(MetricsWriter& writer) const;

 private:
  static constexpr size_t kStripes = 16;
  static constexpr Clock::time_point kNever = Clock::time_point::max();

  // A stream that tells counts only says one at most so often.
  static constexpr std::chrono::seconds kCountEvery{1};

  struct Entry {
    std::string name;
    std::string info;
    wire::Mood mood;
    wire::WallClock::time_point since;
    absl::InlinedVector<SessionId, 1> sessions;
    Clock::time_point leaves_at = kNever;  // while there are no sessions
    Clock::time_point awaited_until{};     // a session broke while others went on
    bool gone = false;                     // and subscribers are still to be told
    bool told = false;                     // subscribers have been told that the user is there
    bool changed = false;                  // and are to be told what has changed
    bool waits = false;                    // among the untold
    wire::WallClock::time_point as_of;     // when it was said who that is
  };
  // Entries are found by views.
  using Entries = absl::btree_map<std::string, Entry, std::less<>>;

  struct Set {
    const TopicRule* rule;  // of the last who came
    Entries entries;
    size_t there = 0;  // entries that are not gone
    bool counts_only = false;
    bool count_waits = false;  // the count is to be told
    Clock::time_point counted_at{};
    std::vector<std::string> untold;  // users of whom something could not be told
  };

  // Somebody whose last session has gone. Stale where the entry says another time.
  struct Grace {
    Clock::time_point at;
    wire::Topic stream;
    std::string user_id;

    bool operator>(const Grace& other) const { return at > other.at; }
  };

  struct TopicHash {
    using is_transparent = void;
    size_t operator()(const wire::TopicView& topic) const { return wire::HashOf(topic); }
  };
  struct TopicEqual {
    using is_transparent = void;
    bool operator()(const wire::TopicView& a, const wire::TopicView& b) const { return a == b; }
  };

  struct alignas(64) Stripe {
    mutable std::mutex mutex;
    absl::flat_hash_map<wire::Topic, Set, TopicHash, TopicEqual> sets;
    std::priority_queue<Grace, std::vector<Grace>, std::greater<>> graces;
    absl::flat_hash_set<wire::Topic, TopicHash, TopicEqual> waiting;  // sets with something to tell
  };

  Stripe& StripeOf(const wire::TopicView& topic) { return stripes_[wire::HashOf(topic) % kStripes]; }
  const Stripe& StripeOf(const wire::TopicView& topic) const { return stripes_[wire::HashOf(topic) % kStripes]; }

  // All with the stripe's lock. Tell publishes what is new of a user, or keeps it for the next sweep; the entry may be
  // gone after it.
  void Tell(Stripe& stripe, const wire::TopicView& stream, Set& set, Entries::iterator it);
  bool TellMember(const wire::TopicView& stream, Set& set, Entries::iterator it);
  void TellCount(Stripe& stripe, const wire::TopicView& stream, Set& set);
  void Record(v1::EventKind kind, const wire::TopicView& stream, const Set& set, Entries::const_iterator it);
  void GoNow(Stripe& stripe, const wire::TopicView& stream, Set& set, Entries::iterator it);
  void ForgetIfEmpty(Stripe& stripe, const wire::TopicView& stream);
  bool PublishEvent(const wire::TopicView& stream, std::string_view event, std::string json, std::string_view user_id);

  static wire::Member MemberOf(const std::string& user_id, const Entry& entry);

  const Publish publish_;
  Feed& feed_;
  const std::function<Clock::time_point()> now_;
  std::array<Stripe, kStripes> stripes_;
  SharedCounter events_;
  SharedCounter delayed_;
};

}  // namespace carillon::engine
