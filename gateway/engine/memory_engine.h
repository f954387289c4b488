#pragma once

#include <array>
#include <mutex>

#include "gateway/engine/engine.h"

namespace carillon::engine {

// The embedded engine: one node, no log. A topic's sequencer is the stripe that its hash chooses; a stripe's counter
// serves all its topics, so that topics need no state of their own and empty ones vanish.
class MemoryEngine : public Engine {
 public:
  // The door must outlive the engine.
  explicit MemoryEngine(Door& door) : door_(door) {}

  StatusOr<Published> Publish(const wire::TopicView& topic, const wire::FramePtr& frame,
                              bool stream_subscribers_only) override;
  Subscribed Subscribe(const wire::TopicView& topic, ShardIndex shard) override;
  void Unsubscribe(const wire::TopicView& topic, ShardIndex shard, bool last_of_shard) override;

 private:
  // 64: more publishers at once than a machine has threads are rarely in one another's way.
  static constexpr size_t kStripes = 64;

  struct alignas(64) Stripe {
    std::mutex mutex;
    uint64_t sequence = 0;
  };

  Stripe& StripeOf(const wire::TopicView& topic) { return stripes_[wire::HashOf(topic) % kStripes]; }

  Door& door_;
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace carillon::engine
