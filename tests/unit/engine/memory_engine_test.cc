#include "gateway/engine/memory_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

namespace carillon::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using wire::TopicKind;
using wire::TopicView;

constexpr TopicView kChat{0, TopicKind::kStream, "chat"};

wire::FramePtr MakeFrame(std::string event = "x") {
  v1::Envelope envelope;
  envelope.set_event(std::move(event));
  return wire::FramePtr(new wire::Frame(std::move(envelope)));
}

// A door that knows its audience from Join and Leave and writes down what comes through.
class FakeDoor : public Door {
 public:
  Audience Find(const TopicView& topic) const override {
    std::lock_guard lock(mutex_);
    auto it = audiences_.find(std::string(topic.name));
    return it == audiences_.end() ? Audience{} : it->second;
  }

  bool HasRoom(ShardSet shards, const wire::Frame& frame) const override {
    std::lock_guard lock(mutex_);
    log_.push_back("room?");
    asked_bytes_ = frame.bytes();
    return (shards & full_) == 0;
  }

  ShardSet Deliver(ShardSet shards, const Delivery& delivery) override {
    std::lock_guard lock(mutex_);
    log_.push_back("deliver");
    shards_ = shards;
    deliveries_.push_back(delivery);
    return shards & asleep_;
  }

  const Interest* Join(const TopicView& topic, ShardIndex shard) override {
    std::lock_guard lock(mutex_);
    Audience& audience = audiences_[std::string(topic.name)];
    audience.shards |= ShardBit(shard);
    ++audience.sessions;
    joined_.push_back(Interest::Make(topic));
    return joined_.back().get();
  }

  void Leave(const TopicView& topic, ShardIndex shard, bool last_of_shard) override {
    std::lock_guard lock(mutex_);
    Audience& audience = audiences_[std::string(topic.name)];
    --audience.sessions;
    if (last_of_shard) audience.shards &= ~ShardBit(shard);
  }

  void Wake(ShardSet shards) override {
    if (on_wake_) on_wake_();
    std::lock_guard lock(mutex_);
    log_.push_back("wake");
    woken_ |= shards;
  }

  void Announce(wire::AppId) override {}

  mutable std::mutex mutex_;
  std::map<std::string, Audience> audiences_;
  ShardSet full_ = 0;
  ShardSet asleep_ = 0;
  std::function<void()> on_wake_;

  mutable std::vector<std::string> log_;
  mutable size_t asked_bytes_ = 0;
  ShardSet shards_ = 0;
  ShardSet woken_ = 0;
  std::vector<Delivery> deliveries_;
  std::vector<Interest::Ptr> joined_;
};

class MemoryEngineTest : public ::testing::Test {
 protected:
  FakeDoor door_;
  MemoryEngine engine_{door_};
};

TEST_F(MemoryEngineTest, NobodyListeningIsACountOfZeroAndNoDelivery) {
  auto published = engine_.Publish(kChat, MakeFrame());

  ASSERT_TRUE(published.ok());
  EXPECT_EQ(published->sessions, 0u);
  EXPECT_THAT(door_.deliveries_, IsEmpty());
}

TEST_F(MemoryEngineTest, AMessageReachesTheInterestedShardsAndCountsTheirSessions) {
  engine_.Subscribe(kChat, 0);
  engine_.Subscribe(kChat, 3);
  engine_.Subscribe(kChat, 3);
  wire::FramePtr frame = MakeFrame();

  auto published = engine_.Publish(kChat, frame);

  ASSERT_TRUE(published.ok());
  EXPECT_EQ(published->sessions, 3u);
  EXPECT_EQ(door_.shards_, ShardBit(0) | ShardBit(3));
  ASSERT_EQ(door_.deliveries_.size(), 1u);
  EXPECT_EQ(TopicView(door_.deliveries_[0].topic), kChat);
  EXPECT_EQ(door_.deliveries_[0].frame, frame);
  EXPECT_EQ(door_.asked_bytes_, frame->bytes());
}

TEST_F(MemoryEngineTest, LooksForRoomDeliversAndWakesInThatOrder) {
  engine_.Subscribe(kChat, 0);

  (void)engine_.Publish(kChat, MakeFrame());

  EXPECT_THAT(door_.log_, ElementsAre("room?", "deliver", "wake"));
}

TEST_F(MemoryEngineTest, OnlyShardsThatSleepAreWoken) {
  engine_.Subscribe(kChat, 0);
  engine_.Subscribe(kChat, 1);
  door_.asleep_ = ShardBit(1) | ShardBit(7);

  (void)engine_.Publish(kChat, MakeFrame());

  EXPECT_EQ(door_.woken_, ShardBit(1));
}

TEST_F(MemoryEngineTest, WakesWithoutTheTopicsLock) {
  engine_.Subscribe(kChat, 0);
  door_.asleep_ = ShardBit(0);
  int woken = 0;
  door_.on_wake_ = [&] {
    ++woken;
    engine_.Subscribe(kChat, 1);  // would block for ever under the lock
  };

  (void)engine_.Publish(kChat, MakeFrame());

  EXPECT_EQ(woken, 1);
}

TEST_F(MemoryEngineTest, AFullShardRefusesBeforeAPlaceIsTaken) {
  Subscribed before = engine_.Subscribe(kChat, 0);
  engine_.Subscribe(kChat, 1);
  door_.full_ = ShardBit(1);

  auto published = engine_.Publish(kChat, MakeFrame());

  EXPECT_EQ(published.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(door_.deliveries_, IsEmpty());
  EXPECT_EQ(engine_.Subscribe(kChat, 0).sequence, before.sequence);
}

TEST_F(MemoryEngineTest, AShardThatIsFullMattersOnlyToTopicsThatItHears) {
  engine_.Subscribe(kChat, 0);
  door_.full_ = ShardBit(1);

  EXPECT_TRUE(engine_.Publish(kChat, MakeFrame()).ok());
}

TEST_F(MemoryEngineTest, ASubscriptionBeginsAfterWhatWasPublishedBefore) {
  Subscribed first = engine_.Subscribe(kChat, 0);
  (void)engine_.Publish(kChat, MakeFrame("one"));
  Subscribed second = engine_.Subscribe(kChat, 0);
  (void)engine_.Publish(kChat, MakeFrame("two"));

  ASSERT_EQ(door_.deliveries_.size(), 2u);
  EXPECT_LT(first.sequence, door_.deliveries_[0].sequence);
  EXPECT_GE(second.sequence, door_.deliveries_[0].sequence);
  EXPECT_LT(second.sequence, door_.deliveries_[1].sequence);
  EXPECT_EQ(first.interest->topic(), kChat);
}

TEST_F(MemoryEngineTest, AfterTheLastLeavesNobodyIsFound) {
  engine_.Subscribe(kChat, 2);

  engine_.Unsubscribe(kChat, 2, true);

  EXPECT_EQ(engine_.Publish(kChat, MakeFrame())->sessions, 0u);
  EXPECT_THAT(door_.deliveries_, IsEmpty());
}

TEST_F(MemoryEngineTest, RacingPublishersGetOneOrderPerTopic) {
  constexpr int kPublishers = 4;
  constexpr int kMessages = 500;
  const std::string names[] = {"a", "b", "c"};
  for (const std::string& name : names) engine_.Subscribe({0, TopicKind::kStream, name}, 0);
  std::vector<std::thread> threads;
  std::atomic<int> published{0};
  for (int p = 0; p < kPublishers; ++p) {
    threads.emplace_back([&, p] {
      for (int i = 0; i < kMessages; ++i) {
        TopicView topic{0, TopicKind::kStream, names[static_cast<size_t>(i + p) % 3]};
        (void)engine_.Publish(topic, MakeFrame(std::to_string(p) + ":" + std::to_string(i)));
        ++published;
      }
    });
  }
  // Subscribers come in between: a subscription's sequence is never below what the door has seen of its topic before.
  for (int i = 0; i < 200; ++i) {
    while (published < i * 10) std::this_thread::yield();
    TopicView topic{0, TopicKind::kStream, names[static_cast<size_t>(i) % 3]};
    uint64_t seen = 0;
    {
      std::lock_guard lock(door_.mutex_);
      for (const Delivery& delivery : door_.deliveries_) {
        if (delivery.topic.name == topic.name) seen = std::max(seen, delivery.sequence);
      }
    }
    ASSERT_GE(engine_.Subscribe(topic, 1).sequence, seen);
  }
  for (std::thread& thread : threads) thread.join();

  std::map<std::string, uint64_t> last;
  std::map<std::string, std::map<std::string, int>> last_of_publisher;
  ASSERT_EQ(door_.deliveries_.size(), size_t{kPublishers} * kMessages);
  for (const Delivery& delivery : door_.deliveries_) {
    uint64_t& previous = last[delivery.topic.name];
    ASSERT_GT(delivery.sequence, previous);
    previous = delivery.sequence;
    const std::string& event = delivery.frame->envelope().event();
    size_t colon = event.find(':');
    int number = std::stoi(event.substr(colon + 1));
    auto [it, added] = last_of_publisher[delivery.topic.name].emplace(event.substr(0, colon), number);
    ASSERT_TRUE(added || it->second < number);
    it->second = number;
  }
}

}  // namespace
}  // namespace carillon::engine
