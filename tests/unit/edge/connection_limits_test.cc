#include "gateway/edge/connection_limits.h"

#include <gtest/gtest.h>

#include "tests/support/apps.h"
#include "tests/support/fake_session.h"
#include "tests/support/test_node.h"

namespace carillon::edge {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Address A(const std::string& text) {
  return boost::asio::ip::make_address(text);
}

class ConnectionLimitsTest : public ::testing::Test {
 protected:
  std::shared_ptr<ConnectionLimits> Make(const ConnectionLimitSettings& settings) {
    return std::make_shared<ConnectionLimits>(settings, node_.node());
  }

  // How many of `count` handshakes may go on.
  static int Passed(ConnectionLimits& limits, const std::string& address, int count) {
    Address from = A(address);
    int passed = 0;
    for (int i = 0; i < count; ++i) passed += limits.CheckRates(&from, now_).has_value() ? 0 : 1;
    return passed;
  }

  static inline ConnectionLimits::Clock::time_point now_{seconds(1'000)};
  test::TestNode node_{1};
};

TEST_F(ConnectionLimitsTest, PlacesOfAnAddressAreTakenAndGivenBack) {
  auto limits = Make({.per_address = 2});
  Address one = A("203.0.113.1");
  Address other = A("203.0.113.2");
  std::shared_ptr<void> places[4];
  EXPECT_FALSE(limits->Enter(&one, &places[0]).has_value());
  EXPECT_FALSE(limits->Enter(&one, &places[1]).has_value());

  auto refused = limits->Enter(&one, &places[2]);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->status, 429);
  EXPECT_EQ(refused->reason, "address_limit");
  EXPECT_FALSE(limits->Enter(&other, &places[3]).has_value());

  places[0] = nullptr;
  EXPECT_FALSE(limits->Enter(&one, &places[2]).has_value());
}

TEST_F(ConnectionLimitsTest, AnIpv6AddressCountsWithItsNetwork) {
  auto limits = Make({.per_address = 1});
  Address one = A("2001:db8:1:1::1");
  Address same = A("2001:db8:1:1:ffff::2");
  Address other = A("2001:db8:1:2::1");
  std::shared_ptr<void> places[3];
  EXPECT_FALSE(limits->Enter(&one, &places[0]).has_value());
  EXPECT_TRUE(limits->Enter(&same, &places[1]).has_value());
  EXPECT_FALSE(limits->Enter(&other, &places[2]).has_value());
}

TEST_F(ConnectionLimitsTest, RatesLetABurstThroughAndThenTheRate) {
  auto limits = Make({.handshakes_per_address = 5});
  EXPECT_EQ(Passed(*limits, "203.0.113.1", 30), 10);
  EXPECT_EQ(Passed(*limits, "203.0.113.2", 30), 10);
  now_ += seconds(1);
  EXPECT_EQ(Passed(*limits, "203.0.113.1", 30), 5);
  now_ += seconds(100);
  EXPECT_EQ(Passed(*limits, "203.0.113.1", 30), 10);
}

TEST_F(ConnectionLimitsTest, TheRateOfAllCountsThoseWithoutLimitsToo) {
  auto limits = Make({.handshakes = 5});
  int passed = 0;
  for (int i = 0; i < 30; ++i) passed += limits->CheckRates(nullptr, now_).has_value() ? 0 : 1;
  EXPECT_EQ(passed, 10);
  auto refused = limits->CheckRates(nullptr, now_);
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->reason, "accept_rate");
}

TEST_F(ConnectionLimitsTest, WhatIsForgottenIsWhatMakesNoDifference) {
  auto limits = Make({.handshakes_per_address = 1, .per_address = 1});
  Address kept = A("203.0.113.1");
  std::shared_ptr<void> place;
  ASSERT_FALSE(limits->Enter(&kept, &place).has_value());
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 3000; ++i) {
      Passed(*limits, fmt::format("198.{}.{}.{}", 18 + round, i / 256, i % 256), 1);
    }
    now_ += seconds(60);
  }
  std::shared_ptr<void> second;
  EXPECT_TRUE(limits->Enter(&kept, &second).has_value());
  place = nullptr;
  EXPECT_FALSE(limits->Enter(&kept, &second).has_value());
}

TEST_F(ConnectionLimitsTest, NewSettingsCountFromTheNextOneOn) {
  auto limits = Make({});
  Address one = A("203.0.113.1");
  std::shared_ptr<void> places[3];
  EXPECT_FALSE(limits->Enter(&one, &places[0]).has_value());  // is not counted
  EXPECT_EQ(Passed(*limits, "203.0.113.1", 1000), 1000);

  limits->Set({.handshakes = 100, .handshakes_per_address = 1, .per_address = 1});
  EXPECT_FALSE(limits->Enter(&one, &places[1]).has_value());
  EXPECT_TRUE(limits->Enter(&one, &places[2]).has_value());
  EXPECT_EQ(Passed(*limits, "203.0.113.1", 10), 2);

  limits->Set({});
  EXPECT_FALSE(limits->Enter(&one, &places[2]).has_value());
  EXPECT_EQ(Passed(*limits, "203.0.113.1", 1000), 1000);
}

TEST_F(ConnectionLimitsTest, AnAppAndAUserOfItHaveSoManySessions) {
  auto limits = Make({});
  auth::App shop = test::AppNamed(1, "shop");
  auth::App blog = test::AppNamed(2, "blog");
  auto full = [&](const auth::App& app) {
    return std::string(limits->AppIsFull(app).has_value() ? "app " : "") +
           (limits->UserIsFull(app, "alice").has_value() ? "user" : "");
  };
  test::FakeSession one(node_, 0, {.user = "alice", .app = 1});
  test::FakeSession two(node_, 0, {.user = "bob", .app = 1});
  EXPECT_EQ(full(shop), "");  // without a limit

  shop.connections = blog.connections = 2;
  shop.connections_per_user = blog.connections_per_user = 1;
  EXPECT_EQ(full(shop), "app user");
  EXPECT_EQ(full(blog), "");

  shop.connections = 3;
  shop.connections_per_user = 2;
  EXPECT_EQ(full(shop), "");
}

TEST_F(ConnectionLimitsTest, AnAppHasSoManyStreams) {
  auto limits = Make({});
  auth::App shop = test::AppNamed(1, "shop");
  shop.max_streams = 2;
  test::FakeSession session(node_, 0, {.app = 1, .streams = {"a"}});
  test::FakeSession elsewhere(node_, 0, {.app = 2, .streams = {"a", "b", "c"}});
  EXPECT_FALSE(limits->StreamsAreFull(shop, "b").has_value());

  session.Subscribe("b");
  EXPECT_TRUE(limits->StreamsAreFull(shop, "c").has_value());
  EXPECT_FALSE(limits->StreamsAreFull(shop, "b").has_value());  // is there already

  session.Unsubscribe("a");
  EXPECT_FALSE(limits->StreamsAreFull(shop, "c").has_value());
}

}  // namespace
}  // namespace carillon::edge
