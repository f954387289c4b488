#include "gateway/auth/jwks_source.h"

#include <gtest/gtest.h>

#include <future>

namespace carillon::auth {
namespace {

constexpr std::chrono::minutes kLong{10};

JwksRules Rules(std::chrono::milliseconds min_interval) {
  JwksRules rules;
  rules.address = {"http://127.0.0.1:1/jwks", "", std::chrono::seconds(5)};  // where nobody is
  rules.refresh = kLong;
  rules.min_interval = min_interval;
  return rules;
}

// A waiter, and when it was let go of.
struct Waiting {
  std::promise<void> promise;
  JwksSource::Waiter Make() {
    return {nullptr, [this](void*) { promise.set_value(); }};
  }
};

TEST(JwksSourceTest, WhoWaitsIsLetGoWhenTheFetchHasFailed) {
  JwksSource source(Rules(std::chrono::milliseconds(1)), [](const KeySet&) { FAIL() << "keys from nowhere"; });
  Waiting waiting;
  // The first fetch, or one that comes after it.
  while (!source.Await(waiting.Make())) {
    waiting.promise.get_future().wait();
    waiting.promise = {};
  }
  waiting.promise.get_future().wait();
  EXPECT_GE(source.stats().failed, 1u);
  EXPECT_EQ(source.stats().fetched, 0u);
}

TEST(JwksSourceTest, NobodyWaitsBeforeTheNextFetchMayBegin) {
  JwksSource source(Rules(kLong), [](const KeySet&) {});
  while (source.stats().failed == 0) std::this_thread::yield();
  Waiting waiting;
  EXPECT_FALSE(source.Await(waiting.Make()));
  waiting.promise.get_future().wait();
  EXPECT_EQ(source.stats().failed, 1u);
}

TEST(JwksSourceTest, AfterStopNobodyWaits) {
  JwksSource source(Rules(std::chrono::milliseconds(1)), [](const KeySet&) {});
  source.Stop();
  Waiting waiting;
  EXPECT_FALSE(source.Await(waiting.Make()));
  source.Stop();
}

}  // namespace
}  // namespace carillon::auth
