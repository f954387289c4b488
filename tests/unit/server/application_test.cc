#include "gateway/server/application.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>

namespace carillon::server {
namespace {

class ConnectionLimitTest : public ::testing::Test {
 protected:
  ConnectionLimitTest() { ::getrlimit(RLIMIT_NOFILE, &before_); }
  ~ConnectionLimitTest() override { ::setrlimit(RLIMIT_NOFILE, &before_); }

  static rlim_t SoftLimit() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
  }

  rlimit before_{};
};

TEST_F(ConnectionLimitTest, TheSoftLimitOnFilesIsRaisedToTheHardOne) {
  rlimit low{std::min<rlim_t>(before_.rlim_max, 256), before_.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);

  ConnectionLimit(0);

  EXPECT_EQ(SoftLimit(), before_.rlim_max);
}

TEST_F(ConnectionLimitTest, AReserveIsKeptForTheRest) {
  size_t allowed = ConnectionLimit(0);

  EXPECT_GT(allowed, 0u);
  if (SoftLimit() != RLIM_INFINITY && SoftLimit() > 1024) {
    EXPECT_LE(allowed + 256, SoftLimit());
  }
}

TEST_F(ConnectionLimitTest, AWantedNumberIsKeptOrCut) {
  EXPECT_EQ(ConnectionLimit(10), 10u);
  EXPECT_EQ(ConnectionLimit(UINT32_MAX), std::min<size_t>(ConnectionLimit(0), UINT32_MAX));
}

}  // namespace
}  // namespace carillon::server
