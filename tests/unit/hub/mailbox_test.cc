#include "gateway/hub/mailbox.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <thread>

#include "tests/support/test_node.h"

namespace carillon::hub {
namespace {

engine::Delivery MakeDelivery(uint64_t sequence = 1, size_t payload_bytes = 0) {
  return {wire::Topic(test::StreamTopic("chat")), test::MakeFrame("x", "chat", payload_bytes), sequence};
}

TEST(MailboxTest, OnlyTheFirstLetterWakesASleepingShard) {
  Mailbox mailbox(10, 1 << 20);

  EXPECT_TRUE(mailbox.Push(MakeDelivery()));
  EXPECT_FALSE(mailbox.Push(MakeDelivery()));
  EXPECT_FALSE(mailbox.Push(Task([](Shard&) {})));
}

TEST(MailboxTest, AShardIsAwakeUntilItFindsNothing) {
  Mailbox mailbox(10, 1 << 20);
  std::vector<Mail> batch;
  mailbox.Push(MakeDelivery());

  EXPECT_TRUE(mailbox.Take(batch));
  batch.clear();
  EXPECT_FALSE(mailbox.Push(MakeDelivery()));  // still awake: it will look again
  EXPECT_TRUE(mailbox.Take(batch));
  batch.clear();
  EXPECT_FALSE(mailbox.Take(batch));
  EXPECT_FALSE(mailbox.Rouse());  // looking is not sleeping
  EXPECT_TRUE(mailbox.Sleep());
  EXPECT_TRUE(mailbox.Push(MakeDelivery()));
}

TEST(MailboxTest, AShardThatHasMailDoesNotSleep) {
  Mailbox mailbox(10, 1 << 20);
  mailbox.Push(MakeDelivery());

  EXPECT_FALSE(mailbox.Sleep());
  EXPECT_FALSE(mailbox.Rouse());
}

TEST(MailboxTest, AShardThatSleepsIsRousedOnce) {
  Mailbox mailbox(10, 1 << 20);

  EXPECT_TRUE(mailbox.Rouse());
  EXPECT_FALSE(mailbox.Rouse());
  EXPECT_FALSE(mailbox.Push(MakeDelivery()));
}

TEST(MailboxTest, MailStaysInOrder) {
  Mailbox mailbox(10, 1 << 20);
  mailbox.Push(MakeDelivery(1));
  mailbox.Push(Task([](Shard&) {}));
  mailbox.Push(MakeDelivery(2));

  std::vector<Mail> batch;
  ASSERT_TRUE(mailbox.Take(batch));

  ASSERT_EQ(batch.size(), 3u);
  EXPECT_EQ(std::get<engine::Delivery>(batch[0]).sequence, 1u);
  EXPECT_TRUE(std::holds_alternative<Task>(batch[1]));
  EXPECT_EQ(std::get<engine::Delivery>(batch[2]).sequence, 2u);
}

TEST(MailboxTest, IsFullByMessages) {
  Mailbox mailbox(4, 1 << 20);
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(mailbox.HasRoom(*test::MakeFrame("x")));
    mailbox.Push(MakeDelivery());
  }
  EXPECT_FALSE(mailbox.HasRoom(*test::MakeFrame("x")));
}

TEST(MailboxTest, IsFullByBytes) {
  size_t bytes = MakeDelivery(1, 1000).frame->bytes();
  Mailbox mailbox(100, 3 * bytes);
  mailbox.Push(MakeDelivery(1, 1000));
  mailbox.Push(MakeDelivery(2, 1000));

  EXPECT_TRUE(mailbox.HasRoom(*test::MakeFrame("x", "chat", 1000)));
  EXPECT_FALSE(mailbox.HasRoom(*test::MakeFrame("x", "chat", 1001)));
}

// A message to a thousand users lies there a thousand times, but is held once.
TEST(MailboxTest, OneFrameToManyCountsOnce) {
  engine::Delivery large = MakeDelivery(1, 1000);
  Mailbox mailbox(100, large.frame->bytes());
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(mailbox.HasRoom(*large.frame));
    mailbox.Push(large);
  }
  EXPECT_FALSE(mailbox.HasRoom(*test::MakeFrame("x")));

  std::vector<Mail> batch;
  ASSERT_TRUE(mailbox.Take(batch));
  for (const Mail& mail : batch) mailbox.Done(std::get<engine::Delivery>(mail));
  EXPECT_EQ(mailbox.messages(), 0u);
  EXPECT_TRUE(mailbox.HasRoom(*large.frame));
  mailbox.Push(large);  // counts anew
  EXPECT_FALSE(mailbox.HasRoom(*test::MakeFrame("x")));
}

TEST(MailboxTest, MessagesCountUntilTheShardIsThroughWithThem) {
  Mailbox mailbox(2, 1 << 20);
  mailbox.Push(MakeDelivery());
  mailbox.Push(MakeDelivery());
  std::vector<Mail> batch;
  mailbox.Take(batch);

  EXPECT_FALSE(mailbox.HasRoom(*test::MakeFrame("x")));
  EXPECT_EQ(mailbox.messages(), 2u);
  mailbox.Done(std::get<engine::Delivery>(batch[0]));
  EXPECT_TRUE(mailbox.HasRoom(*test::MakeFrame("x")));
  mailbox.Done(std::get<engine::Delivery>(batch[1]));
  EXPECT_EQ(mailbox.messages(), 0u);
}

TEST(MailboxTest, TasksTakeNoRoom) {
  Mailbox mailbox(1, 1 << 20);
  for (int i = 0; i < 100; ++i) mailbox.Push(Task([](Shard&) {}));

  EXPECT_TRUE(mailbox.HasRoom(*test::MakeFrame("x")));
}

// A shard that sleeps exactly when Sleep says so, and publishers that wake it exactly when Push says so, lose nothing.
TEST(MailboxTest, RacingPublishersLoseNoMailAndNoWakeUp) {
  constexpr int kPublishers = 3;
  constexpr uint64_t kEach = 5000;
  Mailbox mailbox(SIZE_MAX, SIZE_MAX);
  std::mutex mutex;
  std::condition_variable condition;
  bool woken = false;
  std::vector<uint64_t> last(kPublishers, 0);
  uint64_t received = 0;

  std::thread shard([&] {
    std::vector<Mail> batch;
    while (received < kPublishers * kEach) {
      batch.clear();
      if (!mailbox.Take(batch)) {
        if (!mailbox.Sleep()) continue;
        std::unique_lock lock(mutex);
        ASSERT_TRUE(condition.wait_for(lock, test::kPatience, [&] { return woken; })) << "a wake-up was lost";
        woken = false;
        continue;
      }
      for (const Mail& mail : batch) {
        const auto& delivery = std::get<engine::Delivery>(mail);
        uint64_t publisher = delivery.sequence % kPublishers;
        ASSERT_LT(last[publisher], delivery.sequence);
        last[publisher] = delivery.sequence;
        mailbox.Done(delivery);
        ++received;
      }
    }
  });
  std::vector<std::thread> publishers;
  for (uint64_t p = 0; p < kPublishers; ++p) {
    publishers.emplace_back([&, p] {
      wire::FramePtr frame = test::MakeFrame("x");
      for (uint64_t i = 1; i <= kEach; ++i) {
        engine::Delivery delivery{wire::Topic(test::StreamTopic("chat")), frame, i * kPublishers + p};
        if (!mailbox.Push(std::move(delivery))) continue;
        std::lock_guard lock(mutex);
        woken = true;
        condition.notify_one();
      }
    });
  }
  for (std::thread& publisher : publishers) publisher.join();
  shard.join();

  EXPECT_EQ(received, kPublishers * kEach);
  EXPECT_EQ(mailbox.messages(), 0u);
}

}  // namespace
}  // namespace carillon::hub
