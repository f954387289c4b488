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
  std::atomic<int> failed{0};
  JwksSource source(Rules(std::chrono::milliseconds(1)),
                    [&failed](const StatusOr<KeySet>& keys) { failed += keys.ok() ? 0 : 1; });
  Waiting waiting;
  // The first fetch, or one that comes after it.
  while (!source.Await(waiting.Make())) {
    waiting.promise.get_future().wait();
    waiting.promise = {};
  }
  waiting.promise.get_future().wait();
  EXPECT_GE(failed, 1);
}

TEST(JwksSourceTest, NobodyWaitsBeforeTheNextFetchMayBegin) {
  std::atomic<int> failed{0};
  Waiting first;
  Waiting waiting;  // both outlive the source, which may still hold one
  JwksSource source(Rules(kLong), [&failed](const StatusOr<KeySet>&) { ++failed; });
  while (!source.Await(first.Make())) {  // has failed already
    first.promise.get_future().wait();
    first.promise = {};
  }
  first.promise.get_future().wait();
  int before = failed;
  if (!source.Await(waiting.Make())) {  // within the second that lies between first fetches
    waiting.promise.get_future().wait();
    EXPECT_EQ(failed, before);
  }
}

TEST(JwksSourceTest, AfterStopNobodyWaits) {
  JwksSource source(Rules(std::chrono::milliseconds(1)), [](const StatusOr<KeySet>&) {});
  source.Stop();
  Waiting waiting;
  EXPECT_FALSE(source.Await(waiting.Make()));
  source.Stop();
}

}  // namespace
}  // namespace carillon::auth
