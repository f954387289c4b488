#include "gateway/base/ids.h"

#include <gtest/gtest.h>

#include "tests/support/seed.h"

namespace carillon {
namespace {

TEST(SessionIdTest, IsWrittenAsTwentyLowerCaseDigits) {
  SessionId id{0x003F, 0x0123456789ABCDEF};

  EXPECT_EQ(id.ToString(), "003f0123456789abcdef");
}

TEST(SessionIdTest, WhatIsWrittenIsReadBack) {
  test::Random random;
  for (int i = 0; i < 1000; ++i) {
    SessionId id{static_cast<ShardIndex>(random.Below(kMaxShards)), random.Bits()};

    auto read = SessionId::Parse(id.ToString());

    ASSERT_TRUE(read.has_value()) << id.ToString();
    EXPECT_EQ(*read, id);
  }
}

TEST(SessionIdTest, NothingElseIsRead) {
  const std::string good = "003f0123456789abcdef";
  ASSERT_TRUE(SessionId::Parse(good).has_value());
  const std::string bad[] = {
      "",
      "0",
      good.substr(1),
      good + "0",
      " " + good.substr(1),
      good.substr(0, 19) + " ",
      "003F0123456789ABCDEF",  // upper case
      "00400123456789abcdef",  // shard 64
      "ffff0123456789abcdef",  // no such shard
      "0x3f0123456789abcdef",
      "+03f0123456789abcdef",
      "003f-123456789abcdef",
      "003g0123456789abcdef",
      std::string("003f0123456789abcde\0", 20),
      "003f0123456789abcd\xc3\xa9",
  };

  for (const std::string& text : bad) EXPECT_FALSE(SessionId::Parse(text).has_value()) << text;
}

TEST(SessionIdTest, AnyTextThatIsReadIsWrittenTheSame) {
  test::Random random;
  for (int i = 0; i < 20000; ++i) {
    std::string text = random.Mutated("000a0123456789abcdef");

    auto id = SessionId::Parse(text);

    ASSERT_TRUE(!id.has_value() || id->ToString() == text) << text;
  }
}

TEST(SessionIdTest, OrderIsByShardThenKey) {
  EXPECT_LT((SessionId{0, ~0ULL}), (SessionId{1, 0}));
  EXPECT_LT((SessionId{1, 1}), (SessionId{1, 2}));
  // Pages of Subscribers rely on the texts being in the same order.
  EXPECT_LT((SessionId{9, 5}).ToString(), (SessionId{10, 4}).ToString());
}

TEST(ShardSetTest, EachShardHasABitOfItsOwn) {
  ShardSet all = 0;
  for (ShardIndex shard = 0; shard < kMaxShards; ++shard) {
    EXPECT_EQ(all & ShardBit(shard), 0u);
    all |= ShardBit(shard);
  }
  EXPECT_EQ(all, ~ShardSet{0});
}

}  // namespace
}  // namespace carillon
