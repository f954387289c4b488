#include "gateway/engine/request_ids.h"

#include <gtest/gtest.h>
#include <malloc.h>

namespace carillon::engine {
namespace {

constexpr wire::TopicView kChat{0, wire::TopicKind::kStream, "chat"};
constexpr wire::TopicView kNews{0, wire::TopicKind::kStream, "news"};
constexpr wire::TopicView kUserChat{0, wire::TopicKind::kUser, "chat"};

RequestIds::Time After(int64_t seconds) {
  return RequestIds::Time(std::chrono::hours(1)) + std::chrono::seconds(seconds);
}

TEST(RequestIdsTest, AnOutcomeComesBackAsItWas) {
  RequestIds ids(1000);
  ids.Add(kChat, "a", 7, {"0a1b2c3d-0000000001", 12, wire::Position{"0123456789ab", 41}}, After(0));
  ids.Add(kChat, "b", 8, {"0a1b2c3d-0000000002", 3, std::nullopt}, After(0));

  auto a = ids.Find(kChat, "a", After(1));
  auto b = ids.Find(kChat, "b", After(1));

  ASSERT_TRUE(a.has_value() && b.has_value());
  EXPECT_EQ(a->fingerprint, 7u);
  EXPECT_EQ(a->outcome.message_id, "0a1b2c3d-0000000001");
  EXPECT_EQ(a->outcome.sessions, 12u);
  EXPECT_EQ(a->outcome.position, (wire::Position{"0123456789ab", 41}));
  EXPECT_EQ(b->fingerprint, 8u);
  EXPECT_FALSE(b->outcome.position.has_value());
}

TEST(RequestIdsTest, AnIdIsItsTopicsOwn) {
  RequestIds ids(1000);
  ids.Add(kChat, "a", 7, {"m", 1, std::nullopt}, After(0));

  EXPECT_FALSE(ids.Find(kNews, "a", After(0)).has_value());
  EXPECT_FALSE(ids.Find(kUserChat, "a", After(0)).has_value());
  EXPECT_FALSE(ids.Find(kChat, "b", After(0)).has_value());
}

TEST(RequestIdsTest, AfterFiveMinutesItIsForgotten) {
  RequestIds ids(1000);
  ids.Add(kChat, "a", 7, {"m", 1, std::nullopt}, After(0));

  EXPECT_TRUE(ids.Find(kChat, "a", After(299)).has_value());
  EXPECT_FALSE(ids.Find(kChat, "a", After(300)).has_value());

  ids.Add(kChat, "a", 9, {"n", 1, std::nullopt}, After(300));

  EXPECT_EQ(ids.Find(kChat, "a", After(301))->fingerprint, 9u);
  EXPECT_EQ(ids.size(), 1u);
}

TEST(RequestIdsTest, TheOldestAreForgottenFirstWhereThereAreTooMany) {
  RequestIds ids(1000);
  for (int i = 0; i < 100'000; ++i) ids.Add(kChat, std::to_string(i), 1, {"m", 1, std::nullopt}, After(i / 1000));

  EXPECT_LE(ids.size(), 1100u);
  EXPECT_TRUE(ids.Find(kChat, "99999", After(100)).has_value());
  EXPECT_FALSE(ids.Find(kChat, "1000", After(100)).has_value());
}

#ifndef CARILLON_SANITIZED  // sanitizers have an allocator of their own
TEST(RequestIdsTest, EachCostsAtMost128Bytes) {
  constexpr size_t kIds = 200'000;
  size_t before = ::mallinfo2().uordblks;
  RequestIds ids(kIds);
  for (size_t i = 0; i < 2 * kIds; ++i) {
    ids.Add(kChat, std::to_string(i), 1, {"0a1b2c3d-0000000001", 1, wire::Position{"0123456789ab", i}}, After(0));
  }

  EXPECT_LE((::mallinfo2().uordblks - before) / kIds, 128u);
}
#endif

}  // namespace
}  // namespace carillon::engine
