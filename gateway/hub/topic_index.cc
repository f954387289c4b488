#include "gateway/hub/topic_index.h"

#include "gateway/base/check.h"
#include "gateway/hub/session.h"

namespace carillon::hub {

LocalTopic* TopicIndex::Find(const wire::TopicView& topic) {
  auto it = topics_.find(topic);
  return it == topics_.end() ? nullptr : it->get();
}

LocalTopic& TopicIndex::Add(const engine::Interest* interest) {
  auto [it, added] = topics_.insert(std::make_unique<LocalTopic>(LocalTopic{interest, {}}));
  CARILLON_DCHECK(added);
  return **it;
}

void TopicIndex::Join(LocalTopic& topic, Session& session, std::vector<Subscription>& subscriptions, uint64_t since) {
  auto member_slot = static_cast<uint32_t>(topic.members.size());
  auto subscription_slot = static_cast<uint32_t>(subscriptions.size());
  topic.members.push_back({&session, since, subscription_slot});
  subscriptions.push_back({&topic, member_slot});
}

bool TopicIndex::Leave(std::vector<Subscription>& subscriptions, uint32_t slot) {
  auto [topic, member_slot] = subscriptions[slot];
  topic->members[member_slot] = topic->members.back();
  topic->members.pop_back();
  if (member_slot < topic->members.size()) {
    const Member& moved = topic->members[member_slot];
    moved.session->subscriptions()[moved.slot].slot = member_slot;
  }
  subscriptions[slot] = subscriptions.back();
  subscriptions.pop_back();
  if (slot < subscriptions.size()) {
    const Subscription& moved = subscriptions[slot];
    moved.topic->members[moved.slot].slot = slot;
  }
  if (!topic->members.empty()) return false;
  topics_.erase(topics_.find(topic->interest->topic()));
  return true;
}

}  // namespace carillon::hub
