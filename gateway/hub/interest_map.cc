#include "gateway/hub/interest_map.h"

#include "gateway/base/check.h"

namespace carillon::hub {

engine::Audience InterestMap::Find(const wire::TopicView& topic) const {
  const Stripe& stripe = StripeOf(topic);
  std::lock_guard lock(stripe.mutex);
  auto it = stripe.interests.find(topic);
  if (it == stripe.interests.end()) return {};
  return {(*it)->shards(), (*it)->sessions()};
}

const engine::Interest* InterestMap::Join(const wire::TopicView& topic, ShardIndex shard) {
  Stripe& stripe = StripeOf(topic);
  std::lock_guard lock(stripe.mutex);
  auto it = stripe.interests.find(topic);
  if (it == stripe.interests.end()) {
    it = stripe.interests.insert(engine::Interest::Make(topic)).first;
    if (topic.kind == wire::TopicKind::kStream) streams_[topic.app].fetch_add(1, std::memory_order_relaxed);
  }
  (*it)->Join(shard);
  return it->get();
}

void InterestMap::Leave(const wire::TopicView& topic, ShardIndex shard, bool last_of_shard) {
  Stripe& stripe = StripeOf(topic);
  std::lock_guard lock(stripe.mutex);
  auto it = stripe.interests.find(topic);
  CARILLON_CHECK(it != stripe.interests.end() && (*it)->sessions() > 0);
  if (!(*it)->Leave(shard, last_of_shard)) return;
  // `topic` may borrow from what is erased.
  if (topic.kind == wire::TopicKind::kStream) streams_[topic.app].fetch_sub(1, std::memory_order_relaxed);
  stripe.interests.erase(it);
}

size_t InterestMap::Count(wire::TopicKind kind) const {
  size_t count = 0;
  for (const Stripe& stripe : stripes_) {
    std::lock_guard lock(stripe.mutex);
    for (const auto& interest : stripe.interests) count += interest->topic().kind == kind ? 1 : 0;
  }
  return count;
}

}  // namespace carillon::hub
