#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "gateway/engine/interest.h"
#include "gateway/wire/topic.h"

namespace carillon::hub {

class Session;

// One session's membership of a topic, as the topic holds it.
struct Member {
  Session* session;
  uint64_t since;        // the sequence when it joined: only newer messages are for it
  uint32_t slot;         // of the Subscription in the session's list
  bool special = false;  // the session has a StreamState for the topic
};

// A topic that sessions of this shard listen to. Its members stand in a dense array: broadcasting walks it.
struct LocalTopic {
  const engine::Interest* interest;  // for its topic
  absl::InlinedVector<Member, 1> members;
};

// The same membership, as the session holds it.
struct Subscription {
  LocalTopic* topic;
  uint32_t slot;  // of the Member in the topic's array
};

// Which sessions of this shard listen to what. Joining and leaving take constant time: member and subscription know
// each other's place, and the last one of a list takes the place of the one that goes.
// Thread: its shard's.
class TopicIndex {
 public:
  // Nothing where no session of this shard listens.
  LocalTopic* Find(const wire::TopicView& topic);

  // The interest must outlive the topic's membership.
  LocalTopic& Add(const engine::Interest* interest);

  void Join(LocalTopic& topic, Session& session, std::vector<Subscription>& subscriptions, uint64_t since);

  // Removes the session's subscription at `slot`. True where the topic has no member left: it is then forgotten.
  bool Leave(std::vector<Subscription>& subscriptions, uint32_t slot);

  size_t topics() const { return topics_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(const wire::TopicView& topic) const { return wire::HashOf(topic); }
    size_t operator()(const std::unique_ptr<LocalTopic>& topic) const { return wire::HashOf(topic->interest->topic()); }
  };
  struct Equal {
    using is_transparent = void;
    static wire::TopicView View(const wire::TopicView& topic) { return topic; }
    static wire::TopicView View(const std::unique_ptr<LocalTopic>& topic) { return topic->interest->topic(); }
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return View(a) == View(b);
    }
  };

  absl::flat_hash_set<std::unique_ptr<LocalTopic>, Hash, Equal> topics_;
};

}  // namespace carillon::hub
