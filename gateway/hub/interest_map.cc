#include "gateway/hub/interest_map.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "gateway/base/check.h"

namespace carillon::hub {

engine::Audience InterestMap::Find(const wire::TopicView& topic) const {
  const Stripe& stripe = StripeOf(topic);
  std::lock_guard lock(stripe.mutex);
  auto it = stripe.interests.find(topic);
  engine::Audience audience;
  if (it != stripe.interests.end()) audience = {(*it)->shards(), (*it)->sessions()};
  if (!stripe.taps.empty()) [[unlikely]] {
    for (const auto& [tapped, shard] : stripe.taps) {
      if (wire::TopicView(tapped) == topic) audience.shards |= ShardBit(shard);
    }
  }
  return audience;
}

void InterestMap::Tap(const wire::Topic& topic, ShardIndex shard) {
  Stripe& stripe = StripeOf(topic);
  std::lock_guard lock(stripe.mutex);
  stripe.taps.emplace_back(topic, shard);
}

void InterestMap::Untap(const wire::Topic& topic, ShardIndex shard) {
  Stripe& stripe = StripeOf(topic);
  std::lock_guard lock(stripe.mutex);
  auto it = std::find_if(stripe.taps.begin(), stripe.taps.end(), [&](const auto& tap) {
    return wire::TopicView(tap.first) == wire::TopicView(topic) && tap.second == shard;
  });
  if (it != stripe.taps.end()) stripe.taps.erase(it);
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

std::vector<std::pair<std::string, uint32_t>> InterestMap::ListStreams(
    wire::AppId app, std::string_view after, uint32_t least, size_t limit,
    const std::function<bool(std::string_view)>& takes) const {
  std::map<std::string, uint32_t, std::less<>> first;
  std::vector<std::pair<std::string, uint32_t>> found;  // of one stripe: publishers wait for its lock, not for patterns
  for (const Stripe& stripe : stripes_) {
    found.clear();
    {
      std::lock_guard lock(stripe.mutex);
      for (const engine::Interest::Ptr& interest : stripe.interests) {
        wire::TopicView topic = interest->topic();
        if (topic.app != app || topic.kind != wire::TopicKind::kStream) continue;
        if (topic.name <= after || interest->sessions() < least) continue;
        bool late = first.size() >= limit && topic.name > first.rbegin()->first;
        if (!late) found.emplace_back(topic.name, interest->sessions());
      }
    }
    for (auto& [name, sessions] : found) {
      bool late = first.size() >= limit && name > first.rbegin()->first;
      if (late || !takes(name)) continue;
      first.emplace(std::move(name), sessions);
      if (first.size() > limit) first.erase(std::prev(first.end()));
    }
  }
  return {first.begin(), first.end()};
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
