#include "gateway/engine/interest.h"

#include <gtest/gtest.h>

namespace carillon::engine {
namespace {

TEST(InterestTest, KeepsItsTopicWhateverItsLength) {
  for (size_t size : {0u, 1u, 2u, 7u, 8u, 9u, 20u, 128u, 256u}) {
    std::string name(size, 'n');
    wire::TopicView topic{3, wire::TopicKind::kUser, name};

    Interest::Ptr interest = Interest::Make(topic);
    name.assign(size, 'x');

    EXPECT_EQ(interest->topic(), (wire::TopicView{3, wire::TopicKind::kUser, std::string(size, 'n')}));
  }
}

TEST(InterestTest, ATopicWithoutANameHasNone) {
  Interest::Ptr interest = Interest::Make(wire::TopicView{});

  EXPECT_EQ(interest->topic(), wire::TopicView{});
}

TEST(InterestTest, CountsSessionsAndRemembersShardsUntilTheirLastLeaves) {
  Interest::Ptr interest = Interest::Make({0, wire::TopicKind::kStream, "chat"});

  interest->Join(0);
  interest->Join(63);
  interest->Join(63);
  EXPECT_EQ(interest->sessions(), 3u);
  EXPECT_EQ(interest->shards(), ShardBit(0) | ShardBit(63));

  EXPECT_FALSE(interest->Leave(63, false));
  EXPECT_EQ(interest->shards(), ShardBit(0) | ShardBit(63));
  EXPECT_FALSE(interest->Leave(63, true));
  EXPECT_EQ(interest->shards(), ShardBit(0));
  EXPECT_TRUE(interest->Leave(0, true));
  EXPECT_EQ(interest->shards(), 0u);
}

}  // namespace
}  // namespace carillon::engine
