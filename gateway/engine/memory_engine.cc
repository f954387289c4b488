#include "gateway/engine/memory_engine.h"

namespace carillon::engine {

StatusOr<Published> MemoryEngine::Publish(const wire::TopicView& topic, const wire::FramePtr& frame,
                                          bool stream_subscribers_only) {
  Published published;
  ShardSet wake = 0;
  {
    Stripe& stripe = StripeOf(topic);
    std::lock_guard lock(stripe.mutex);
    Audience audience = door_.Find(topic);
    if (audience.shards == 0) return published;
    if (!door_.HasRoom(audience.shards, *frame)) {
      return ResourceExhausted("the gateway is behind: a shard's mailbox is full");
    }
    Delivery delivery{wire::Topic(topic), frame, ++stripe.sequence, stream_subscribers_only, 0};
    wake = door_.Deliver(audience.shards, delivery);
    published.sessions = audience.sessions;
  }
  door_.Wake(wake);
  return published;
}

Subscribed MemoryEngine::Subscribe(const wire::TopicView& topic, ShardIndex shard) {
  Stripe& stripe = StripeOf(topic);
  std::lock_guard lock(stripe.mutex);
  return {door_.Join(topic, shard), stripe.sequence};
}

void MemoryEngine::Unsubscribe(const wire::TopicView& topic, ShardIndex shard, bool last_of_shard) {
  Stripe& stripe = StripeOf(topic);
  std::lock_guard lock(stripe.mutex);
  door_.Leave(topic, shard, last_of_shard);
}

}  // namespace carillon::engine
