#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

#include "gateway/base/ids.h"
#include "gateway/wire/topic.h"

namespace carillon::engine {

// Who listens to one topic on this node. One allocation holds the counts and, right behind them, the topic's name:
// there is one of these for every stream, user and session, so every byte counts.
class Interest {
 public:
  struct Delete {
    void operator()(Interest* interest) const { ::operator delete(interest); }
  };
  using Ptr = std::unique_ptr<Interest, Delete>;

  static Ptr Make(const wire::TopicView& topic) {
    // At least the whole object: short names fit into its padding.
    size_t bytes = std::max(sizeof(Interest), offsetof(Interest, name_) + topic.name.size());
    return Ptr(new (::operator new(bytes)) Interest(topic));
  }

  wire::TopicView topic() const { return {app_, kind_, {name_, size_}}; }

  ShardSet shards() const { return shards_; }      // that have a listener
  uint32_t sessions() const { return sessions_; }  // that listen

  void Join(ShardIndex shard) {
    shards_ |= ShardBit(shard);
    ++sessions_;
  }
  // True where nobody listens any more.
  bool Leave(ShardIndex shard, bool last_of_shard) {
    if (last_of_shard) shards_ &= ~ShardBit(shard);
    return --sessions_ == 0;
  }

 private:
  explicit Interest(const wire::TopicView& topic)
      : app_(topic.app), size_(static_cast<uint16_t>(topic.name.size())), kind_(topic.kind) {
    std::copy(topic.name.begin(), topic.name.end(), name_);
  }

  ShardSet shards_ = 0;
  uint32_t sessions_ = 0;
  wire::AppId app_;
  uint16_t size_;
  wire::TopicKind kind_;
  char name_[1];  // and what was allocated behind it
};

}  // namespace carillon::engine
