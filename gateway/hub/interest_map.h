#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "gateway/engine/engine.h"
#include "gateway/wire/topic.h"

namespace carillon::hub {

// Which shards listen to what, and with how many sessions: how a message finds its shards, and how a count is answered
// without asking them. Striped locks, held for a look-up only. A topic without listeners is not in it.
// Thread: any.
class InterestMap {
 public:
  engine::Audience Find(const wire::TopicView& topic) const;

  // See engine::Door.
  const engine::Interest* Join(const wire::TopicView& topic, ShardIndex shard);
  void Leave(const wire::TopicView& topic, ShardIndex shard, bool last_of_shard);

  // A shard hears of the topic as well, though nobody there may listen. As often as it began, it ends.
  void Tap(const wire::Topic& topic, ShardIndex shard);
  void Untap(const wire::Topic& topic, ShardIndex shard);

  // How many streams of an app have listeners.
  size_t StreamsOf(wire::AppId app) const { return streams_[app].load(std::memory_order_relaxed); }

  // The `limit` streams of an app with the smallest names after `after` that have at least `least` listeners and that
  // `takes(name)`, which is asked without a lock, with how many. Walks everything, a stripe at a time: those that come
  // or go meanwhile may be missing.
  std::vector<std::pair<std::string, uint32_t>> ListStreams(wire::AppId app, std::string_view after, uint32_t least,
                                                            size_t limit,
                                                            const std::function<bool(std::string_view)>& takes) const;

  // How many topics of a kind have listeners. Walks everything: for metrics.
  size_t Count(wire::TopicKind kind) const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(const wire::TopicView& topic) const { return wire::HashOf(topic); }
    size_t operator()(const engine::Interest::Ptr& interest) const { return wire::HashOf(interest->topic()); }
  };
  struct Equal {
    using is_transparent = void;
    static wire::TopicView View(const wire::TopicView& topic) { return topic; }
    static wire::TopicView View(const engine::Interest::Ptr& interest) { return interest->topic(); }
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return View(a) == View(b);
    }
  };
  struct alignas(64) Stripe {
    mutable std::mutex mutex;
    absl::flat_hash_set<engine::Interest::Ptr, Hash, Equal> interests;
    std::vector<std::pair<wire::Topic, ShardIndex>> taps;  // few, and mostly none
  };

  static constexpr size_t kStripes = 64;

  // The upper bits choose the stripe; the set inside uses the lower ones.
  Stripe& StripeOf(const wire::TopicView& topic) { return stripes_[wire::HashOf(topic) >> 58]; }
  const Stripe& StripeOf(const wire::TopicView& topic) const { return stripes_[wire::HashOf(topic) >> 58]; }
  static_assert(kStripes == size_t{1} << (64 - 58));

  std::array<Stripe, kStripes> stripes_;
  std::array<std::atomic<uint32_t>, wire::kMaxApps> streams_{};
};

}  // namespace carillon::hub
