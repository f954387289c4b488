#include "gateway/hub/interest_map.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <thread>

#include "tests/support/seed.h"
#include "tests/support/test_node.h"

namespace carillon::hub {
namespace {

using test::StreamTopic;
using test::UserTopic;

TEST(InterestMapTest, KnowsNobodyAtFirst) {
  InterestMap map;

  EXPECT_EQ(map.Find(StreamTopic("chat")).shards, 0u);
  EXPECT_EQ(map.Find(StreamTopic("chat")).sessions, 0u);
}

TEST(InterestMapTest, CountsSessionsAndShards) {
  InterestMap map;
  map.Join(StreamTopic("chat"), 0);
  map.Join(StreamTopic("chat"), 5);
  map.Join(StreamTopic("chat"), 5);

  engine::Audience audience = map.Find(StreamTopic("chat"));
  EXPECT_EQ(audience.shards, ShardBit(0) | ShardBit(5));
  EXPECT_EQ(audience.sessions, 3u);

  map.Leave(StreamTopic("chat"), 5, false);
  EXPECT_EQ(map.Find(StreamTopic("chat")).shards, ShardBit(0) | ShardBit(5));
  map.Leave(StreamTopic("chat"), 5, true);
  EXPECT_EQ(map.Find(StreamTopic("chat")).shards, ShardBit(0));
}

TEST(InterestMapTest, TheLastToLeaveLeavesNothingBehind) {
  InterestMap map;
  map.Join(StreamTopic("chat"), 1);
  ASSERT_EQ(map.Count(wire::TopicKind::kStream), 1u);

  map.Leave(StreamTopic("chat"), 1, true);

  EXPECT_EQ(map.Count(wire::TopicKind::kStream), 0u);
  EXPECT_EQ(map.Find(StreamTopic("chat")).sessions, 0u);
}

TEST(InterestMapTest, KindsWithTheSameNameAreApart) {
  InterestMap map;
  map.Join(StreamTopic("alice"), 0);
  map.Join(UserTopic("alice"), 1);
  map.Join({1, wire::TopicKind::kStream, "alice"}, 2);

  EXPECT_EQ(map.Find(StreamTopic("alice")).shards, ShardBit(0));
  EXPECT_EQ(map.Find(UserTopic("alice")).shards, ShardBit(1));
  EXPECT_EQ(map.Find({1, wire::TopicKind::kStream, "alice"}).shards, ShardBit(2));
  EXPECT_EQ(map.Count(wire::TopicKind::kStream), 2u);
  EXPECT_EQ(map.Count(wire::TopicKind::kUser), 1u);
}

TEST(InterestMapTest, TheNameIsTheMapsOwn) {
  InterestMap map;
  std::string name = "chat";
  const engine::Interest* interest = map.Join(StreamTopic(name), 0);
  for (int i = 0; i < 1000; ++i) map.Join(StreamTopic("other " + std::to_string(i)), 0);  // makes the sets grow
  name = "gone";

  EXPECT_EQ(interest->topic(), StreamTopic("chat"));
  EXPECT_EQ(map.Join(StreamTopic("chat"), 1), interest);
}

TEST(InterestMapTest, BehavesLikeAPlainMap) {
  test::Random random;
  InterestMap map;
  std::map<std::string, std::multiset<ShardIndex>> model;
  for (int step = 0; step < 20000; ++step) {
    std::string name = "stream " + std::to_string(random.Below(200));
    auto shard = static_cast<ShardIndex>(random.OneIn(10) ? 63 : random.Below(4));
    std::multiset<ShardIndex>& members = model[name];
    if (random.OneIn(2)) {
      map.Join(StreamTopic(name), shard);
      members.insert(shard);
    } else if (auto it = members.find(shard); it != members.end()) {
      members.erase(it);
      map.Leave(StreamTopic(name), shard, members.count(shard) == 0);
    }

    ShardSet shards = 0;
    for (ShardIndex member : members) shards |= ShardBit(member);
    engine::Audience audience = map.Find(StreamTopic(name));
    ASSERT_EQ(audience.shards, shards);
    ASSERT_EQ(audience.sessions, members.size());
  }
  size_t live = 0;
  for (const auto& [name, members] : model) live += members.empty() ? 0 : 1;
  EXPECT_EQ(map.Count(wire::TopicKind::kStream), live);
}

TEST(InterestMapTest, ThreadsMayJoinLeaveAndLookAtOnce) {
  InterestMap map;
  std::vector<std::thread> threads;
  for (ShardIndex shard = 0; shard < 4; ++shard) {
    threads.emplace_back([&map, shard] {
      for (int i = 0; i < 3000; ++i) {
        std::string name = std::to_string(i % 7);
        map.Join(StreamTopic(name), shard);
        EXPECT_NE(map.Find(StreamTopic(name)).shards & ShardBit(shard), 0u);
        map.Leave(StreamTopic(name), shard, true);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(map.Count(wire::TopicKind::kStream), 0u);
}

TEST(InterestMapTest, StreamsAreListedInOrderAPageAtATime) {
  test::Random random;
  InterestMap map;
  std::map<std::string, uint32_t> expected;
  for (int i = 0; i < 500; ++i) {
    std::string name = "s" + std::to_string(random.Below(300));
    map.Join(StreamTopic(name), 0);
    map.Join(UserTopic(name), 0);
    map.Join({1, wire::TopicKind::kStream, name}, 0);
    ++expected[name];
  }
  auto odd = [](std::string_view name) { return (name.back() - '0') % 2 == 1; };
  std::erase_if(expected, [&](const auto& item) { return item.second < 2 || !odd(item.first); });
  std::vector<std::pair<std::string, uint32_t>> listed;
  for (std::string after;;) {
    auto page = map.ListStreams(wire::kDefaultApp, after, 2, 7, odd);
    if (page.empty()) break;
    EXPECT_LE(page.size(), 7u);
    after = page.back().first;
    listed.insert(listed.end(), page.begin(), page.end());
  }
  EXPECT_EQ(listed, (std::vector<std::pair<std::string, uint32_t>>(expected.begin(), expected.end())));
  EXPECT_TRUE(map.ListStreams(2, "", 1, 7, odd).empty());
}

TEST(InterestMapTest, NamesAreJudgedWithoutALock) {
  InterestMap map;
  for (const char* name : {"a", "b", "c"}) map.Join({wire::kDefaultApp, wire::TopicKind::kStream, name}, 0);

  auto listed = map.ListStreams(wire::kDefaultApp, "", 1, 10, [&](std::string_view name) {
    return map.Find({wire::kDefaultApp, wire::TopicKind::kStream, name}).sessions == 1;
  });

  EXPECT_EQ(listed.size(), 3u);
}

TEST(InterestMapTest, ATapIsNoListener) {
  InterestMap map;
  wire::Topic chat(wire::kDefaultApp, wire::TopicKind::kStream, "chat");
  map.Tap(chat, 3);
  map.Tap(chat, 3);
  EXPECT_EQ(map.Find(chat).shards, ShardBit(3));
  EXPECT_EQ(map.Find(chat).sessions, 0u);
  EXPECT_EQ(map.Count(wire::TopicKind::kStream), 0u);

  map.Join(chat, 1);
  EXPECT_EQ(map.Find(chat).shards, ShardBit(1) | ShardBit(3));
  map.Untap(chat, 3);
  EXPECT_EQ(map.Find(chat).shards, ShardBit(1) | ShardBit(3));
  map.Untap(chat, 3);
  EXPECT_EQ(map.Find(chat).shards, ShardBit(1));
}

}  // namespace
}  // namespace carillon::hub
