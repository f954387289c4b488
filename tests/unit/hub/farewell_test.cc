#include "gateway/hub/farewell.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>
#include <thread>

#include "tests/support/fake_session.h"
#include "tests/support/test_node.h"

namespace carillon::hub {
namespace {

using test::FakeSession;
using ::testing::ElementsAre;
using ::testing::Optional;

class FarewellTest : public ::testing::Test {
 protected:
  void Begin(std::chrono::milliseconds window, const Leavers& leavers = {}) {
    node_.On(0, [=](Shard& shard) { Farewell::Begin(shard, leavers, window); });
  }
  void End(const Leavers& leavers = {}) {
    node_.On(0, [=](Shard& shard) { Farewell::End(shard, leavers); });
  }
  size_t Count(const Leavers& leavers = {}) {
    return node_.On(0, [=](Shard& shard) { return Farewell::Count(shard, leavers); });
  }

  static int64_t RetryOf(FakeSession& session) {
    auto frame = boost::json::parse(test::SplitFrames(session.Written()).at(0));
    return frame.at("data").at("retry_after_ms").as_int64();
  }

  test::TestNode node_;
};

TEST_F(FarewellTest, EveryoneIsToldToComeBackBeforeTheGatewayGoes) {
  FakeSession alice(node_, 0, {.user = "alice"});
  FakeSession nobody(node_, 0, {});

  Begin(std::chrono::milliseconds(0));

  for (FakeSession* session : {&alice, &nobody}) {
    EXPECT_THAT(session->Heard(), ElementsAre("restart"));
    EXPECT_THAT(session->closed(), Optional(4200));
  }
}

TEST_F(FarewellTest, WithAWindowOneGoesAtOnceAndTheOthersLater) {
  std::vector<std::unique_ptr<FakeSession>> sessions;
  for (int i = 0; i < 10; ++i) sessions.push_back(std::make_unique<FakeSession>(node_, 0, FakeSession::Options{}));

  Begin(std::chrono::hours(1));

  EXPECT_EQ(std::count_if(sessions.begin(), sessions.end(), [](auto& session) { return session->closed(); }), 1);
}

TEST_F(FarewellTest, EachIsToComeBackAtATimeOfItsOwnWithinTheWindow) {
  std::vector<std::unique_ptr<FakeSession>> sessions;
  for (int i = 0; i < 50; ++i) sessions.push_back(std::make_unique<FakeSession>(node_, 0, FakeSession::Options{}));
  for (auto& session : sessions) session->With([](Session& s) { SendHome(s, std::chrono::seconds(10)); });

  std::set<int64_t> retries;
  for (auto& session : sessions) retries.insert(RetryOf(*session));

  EXPECT_GE(*retries.begin(), 500);
  EXPECT_LE(*retries.rbegin(), 10'500);
  EXPECT_GT(retries.size(), 10u);
}

TEST_F(FarewellTest, ThoseThatLeaveByThemselvesAreNotMissed) {
  auto gone = std::make_unique<FakeSession>(node_, 0, FakeSession::Options{});
  FakeSession stays(node_, 0, {});

  Begin(std::chrono::milliseconds(100));
  gone.reset();

  // The wheel turns every 50 ms; within the test's patience the other one has gone too.
  auto deadline = std::chrono::steady_clock::now() + test::kPatience;
  while (!stays.closed() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_THAT(stays.closed(), Optional(4200));
}

TEST_F(FarewellTest, WhoBeginsMeanwhileGoesAtOnce) {
  Begin(std::chrono::seconds(3));
  FakeSession late(node_, 0, {});

  late.With([](Session& session) { Farewell::Meet(session); });

  EXPECT_THAT(late.closed(), Optional(4200));
}

TEST_F(FarewellTest, OnlyThoseOfTheAppGo) {
  FakeSession ours(node_, 0, {.app = 1});
  FakeSession theirs(node_, 0, {.app = 2});
  EXPECT_EQ(Count({.app = 1}), 1u);

  Begin(std::chrono::milliseconds(0), {.app = 1});
  FakeSession late(node_, 0, {.app = 2});
  late.With([](Session& session) { Farewell::Meet(session); });

  EXPECT_THAT(ours.closed(), Optional(4200));
  EXPECT_EQ(theirs.closed(), std::nullopt);
  EXPECT_EQ(late.closed(), std::nullopt);
  EXPECT_EQ(Count({.app = 1}), 0u);
  EXPECT_EQ(Count(), 2u);
}

TEST_F(FarewellTest, OnlyThoseOfTheEndpointGo) {
  FakeSession here(node_, 0, {});
  FakeSession there(node_, 0, {});
  const SessionSettings* settings = nullptr;
  here.With([&settings](Session& session) { settings = &session.settings(); });

  Begin(std::chrono::milliseconds(0), {.settings = settings});

  EXPECT_THAT(here.closed(), Optional(4200));
  EXPECT_EQ(there.closed(), std::nullopt);
}

TEST_F(FarewellTest, WhenItEndsThoseNotYetToldStay) {
  std::vector<std::unique_ptr<FakeSession>> sessions;
  for (int i = 0; i < 10; ++i) sessions.push_back(std::make_unique<FakeSession>(node_, 0, FakeSession::Options{}));
  Begin(std::chrono::hours(2), {.app = wire::kDefaultApp});
  Begin(std::chrono::hours(1));
  End({.app = wire::kDefaultApp});

  End();
  FakeSession late(node_, 0, {});
  late.With([](Session& session) { Farewell::Meet(session); });

  EXPECT_EQ(late.closed(), std::nullopt);
  EXPECT_EQ(std::count_if(sessions.begin(), sessions.end(), [](auto& session) { return session->closed(); }), 2);
  EXPECT_EQ(Count(), 9u);
}

TEST_F(FarewellTest, OneForTheSameSessionsTakesItsPlace) {
  std::vector<std::unique_ptr<FakeSession>> sessions;
  for (int i = 0; i < 10; ++i) sessions.push_back(std::make_unique<FakeSession>(node_, 0, FakeSession::Options{}));
  Begin(std::chrono::hours(1));

  Begin(std::chrono::milliseconds(0));

  EXPECT_EQ(Count(), 0u);
  EXPECT_EQ(node_.On(0, [](Shard& shard) { return shard.farewells().size(); }), 1u);
}

}  // namespace
}  // namespace carillon::hub
