#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gateway/hub/topic_index.h"
#include "tests/support/loose_session.h"

namespace carillon::test {

// A topic index beside a plain map. Each operation goes to both; Inconsistency compares everything.
class TopicIndexModel {
 public:
  TopicIndexModel(size_t sessions, size_t topics) {
    for (size_t i = 0; i < sessions; ++i) sessions_.push_back(std::make_unique<LooseSession>(idle_));
    for (size_t i = 0; i < topics; ++i) {
      interests_.push_back(engine::Interest::Make({wire::kDefaultApp, wire::TopicKind::kStream, std::to_string(i)}));
    }
  }

  // The session joins the topic, if it is not there.
  void Join(size_t session, size_t topic) {
    if (!model_[topic].emplace(session, ++sequence_).second) return;
    hub::LocalTopic* local = index_.Find(interests_[topic]->topic());
    if (local == nullptr) local = &index_.Add(interests_[topic].get());
    index_.Join(*local, sessions_[session]->session(), sessions_[session]->subscriptions(), sequence_);
  }

  // The session leaves the n-th of its topics, if it has any. What Leave said.
  bool Leave(size_t session, size_t n) {
    auto& subscriptions = sessions_[session]->subscriptions();
    if (subscriptions.empty()) return false;
    auto slot = static_cast<uint32_t>(n % subscriptions.size());
    size_t topic = std::stoul(std::string(subscriptions[slot].topic->interest->topic().name));
    model_[topic].erase(session);
    bool last = index_.Leave(subscriptions, slot);
    if (last != model_[topic].empty()) wrong_ = "Leave said wrongly whether that was the last";
    return last;
  }

  // What is wrong with the index, or "".
  std::string Inconsistency() {
    if (!wrong_.empty()) return wrong_;
    size_t live = 0;
    std::vector<size_t> counts(sessions_.size(), 0);
    for (size_t topic = 0; topic < interests_.size(); ++topic) {
      const auto& members = model_[topic];
      hub::LocalTopic* local = index_.Find(interests_[topic]->topic());
      if ((local == nullptr) != members.empty()) return "a topic is there or is missing: " + std::to_string(topic);
      if (local == nullptr) continue;
      ++live;
      if (local->members.size() != members.size()) return "a topic has another number of members";
      for (uint32_t slot = 0; slot < local->members.size(); ++slot) {
        const hub::Member& member = local->members[slot];
        size_t session = Number(member.session);
        auto it = members.find(session);
        if (it == members.end()) return "a topic has a member that left";
        if (it->second != member.since) return "a member's sequence is another's";
        const auto& subscriptions = member.session->subscriptions();
        if (member.slot >= subscriptions.size()) return "a member points behind its session's list";
        if (subscriptions[member.slot].topic != local) return "a member points at another topic's subscription";
        if (subscriptions[member.slot].slot != slot) return "a subscription does not point back";
        ++counts[session];
      }
    }
    for (size_t i = 0; i < sessions_.size(); ++i) {
      if (sessions_[i]->subscriptions().size() != counts[i]) return "a session has a subscription too many";
    }
    return index_.topics() == live ? "" : "the index remembers an empty topic";
  }

 private:
  size_t Number(const hub::Session* session) const {
    for (size_t i = 0; i < sessions_.size(); ++i) {
      if (&sessions_[i]->session() == session) return i;
    }
    return sessions_.size();
  }

  IdleShard idle_;
  std::vector<std::unique_ptr<LooseSession>> sessions_;
  std::vector<engine::Interest::Ptr> interests_;
  hub::TopicIndex index_;
  std::map<size_t, std::map<size_t, uint64_t>> model_;  // topic to session to sequence
  uint64_t sequence_ = 0;
  std::string wrong_;
};

}  // namespace carillon::test
