#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "gateway/engine/engine.h"

namespace carillon::test {

// A door that knows its audience from Join and Leave, and keeps what comes through.
class FakeDoor : public engine::Door {
 public:
  engine::Audience Find(const wire::TopicView& topic) const override {
    std::lock_guard lock(mutex);
    auto it = audiences.find(std::string(topic.name));
    return it == audiences.end() ? engine::Audience{} : it->second;
  }
  bool HasRoom(ShardSet shards, const wire::Frame&) const override { return (shards & full) == 0; }
  ShardSet Deliver(ShardSet, const engine::Delivery& delivery) override {
    // As when a session reads it: the encoding stays with the message.
    if (encodes) (void)delivery.frame->Encoded(wire::Encoding::kNativeJson, &Encode);
    std::lock_guard lock(mutex);
    if (keeps) deliveries.push_back(delivery);
    return 0;
  }
  const engine::Interest* Join(const wire::TopicView& topic, ShardIndex shard) override {
    std::lock_guard lock(mutex);
    engine::Audience& audience = audiences[std::string(topic.name)];
    audience.shards |= ShardBit(shard);
    ++audience.sessions;
    if (interest == nullptr) interest = engine::Interest::Make(topic);
    return interest.get();
  }
  void Leave(const wire::TopicView& topic, ShardIndex shard, bool last_of_shard) override {
    std::lock_guard lock(mutex);
    engine::Audience& audience = audiences[std::string(topic.name)];
    --audience.sessions;
    if (last_of_shard) audience.shards &= ~ShardBit(shard);
  }
  void Wake(ShardSet) override {}
  void Announce(wire::AppId) override { ++announced; }

  // About as long as JSON clients get it.
  static void Encode(const v1::Envelope& envelope, std::string& out) {
    out.assign(envelope.stream().size() + envelope.event().size() + envelope.json().size() + 140, 'x');
  }

  mutable std::mutex mutex;
  std::map<std::string, engine::Audience> audiences;
  ShardSet full = 0;
  std::atomic<int> announced{0};
  bool keeps = true;
  bool encodes = false;
  std::vector<engine::Delivery> deliveries;
  engine::Interest::Ptr interest;
};

}  // namespace carillon::test
