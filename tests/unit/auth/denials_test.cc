#include "gateway/auth/denials.h"

#include <gtest/gtest.h>

namespace carillon::auth {
namespace {

using Time = Denials::Time;

Time At(int64_t seconds) {
  return Time(std::chrono::seconds(1'700'000'000 + seconds));
}

Identity Of(const std::string& user, int64_t issued, const std::string& token_id = "") {
  Identity identity;
  identity.user_id = user;
  identity.issued_at = At(issued);
  identity.token_id = token_id;
  return identity;
}

TEST(DenialsTest, NobodyIsKeptOutAtFirst) {
  Denials denials;
  EXPECT_TRUE(denials.Check(Of("alice", 0), At(1)).ok());
}

TEST(DenialsTest, ABlockLastsUntilItsEndOrUntilItIsTakenBack) {
  Denials denials;
  ASSERT_TRUE(denials.BlockUser({"alice", At(10), "spam"}).ok());
  ASSERT_TRUE(denials.BlockUser({"bob", Denials::kForGood, "rude"}).ok());

  Status denied = denials.Check(Of("alice", 5), At(9));
  EXPECT_EQ(denied.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(MessageOf(denied), "spam");
  EXPECT_TRUE(denials.Check(Of("alice", 5), At(10)).ok());
  EXPECT_TRUE(denials.Check(Of("carol", 5), At(9)).ok());
  EXPECT_FALSE(denials.Check(Of("bob", 5), At(1'000'000'000)).ok());

  EXPECT_TRUE(denials.UnblockUser("bob"));
  EXPECT_FALSE(denials.UnblockUser("bob"));
  EXPECT_TRUE(denials.Check(Of("bob", 5), At(9)).ok());
}

TEST(DenialsTest, ASecondBlockTakesTheFirstOnesPlace) {
  Denials denials;
  ASSERT_TRUE(denials.BlockUser({"alice", Denials::kForGood, "one"}).ok());
  ASSERT_TRUE(denials.BlockUser({"alice", At(10), "two"}).ok());
  EXPECT_EQ(MessageOf(denials.Check(Of("alice", 5), At(9))), "two");
  EXPECT_TRUE(denials.Check(Of("alice", 5), At(10)).ok());
}

TEST(DenialsTest, TokensOfAUserAreRevokedUpToATime) {
  Denials denials;
  ASSERT_TRUE(denials.RevokeUser("alice", At(10), At(100)).ok());
  EXPECT_EQ(denials.Check(Of("alice", 9), At(20)).code(), absl::StatusCode::kUnauthenticated);
  EXPECT_TRUE(denials.Check(Of("alice", 10), At(20)).ok());
  EXPECT_TRUE(denials.Check(Of("bob", 9), At(20)).ok());
  Identity without_time = Of("alice", 0);
  without_time.issued_at = Time();
  EXPECT_FALSE(denials.Check(without_time, At(20)).ok());

  ASSERT_TRUE(denials.RevokeUser("alice", At(5), At(50)).ok());  // changes nothing
  EXPECT_FALSE(denials.Check(Of("alice", 9), At(20)).ok());
  denials.Sweep(At(60));
  EXPECT_FALSE(denials.Check(Of("alice", 9), At(60)).ok());
}

TEST(DenialsTest, ATokenIsRevokedByItsId) {
  Denials denials;
  ASSERT_TRUE(denials.RevokeToken("t1", At(100)).ok());
  EXPECT_FALSE(denials.Check(Of("alice", 9, "t1"), At(20)).ok());
  EXPECT_TRUE(denials.Check(Of("alice", 9, "t2"), At(20)).ok());
  EXPECT_TRUE(denials.Check(Of("alice", 9), At(20)).ok());
}

TEST(DenialsTest, WhatIsOverIsForgotten) {
  Denials denials;
  ASSERT_TRUE(denials.RevokeToken("t1", At(100)).ok());
  ASSERT_TRUE(denials.RevokeUser("alice", At(10), At(100)).ok());
  ASSERT_TRUE(denials.BlockUser({"bob", At(100), ""}).ok());
  denials.Sweep(At(99));
  EXPECT_FALSE(denials.Check(Of("alice", 9), At(99)).ok());
  EXPECT_FALSE(denials.Check(Of("x", 9, "t1"), At(99)).ok());
  denials.Sweep(At(100));
  EXPECT_TRUE(denials.Check(Of("alice", 9), At(99)).ok());
  EXPECT_TRUE(denials.Check(Of("x", 9, "t1"), At(99)).ok());
  EXPECT_TRUE(denials.Check(Of("bob", 9), At(99)).ok());
}

TEST(DenialsTest, BlocksAreListedInOrder) {
  Denials denials;
  for (const char* user : {"c", "a", "d", "b"}) ASSERT_TRUE(denials.BlockUser({user, At(10), ""}).ok());
  ASSERT_TRUE(denials.BlockUser({"aa", At(1), "over"}).ok());
  auto names = [&](std::string_view after, size_t limit) {
    std::string text;
    for (const Denials::Block& block : denials.List(after, limit, At(5))) text += block.user_id + " ";
    return text;
  };
  EXPECT_EQ(names("", 10), "a b c d ");
  EXPECT_EQ(names("a", 2), "b c ");
  EXPECT_EQ(names("d", 2), "");
}

TEST(DenialsTest, ThereIsAnEndToThem) {
  Denials denials;
  for (size_t i = 0; i < Denials::kMost; ++i) {
    ASSERT_TRUE(denials.RevokeToken("t" + std::to_string(i), At(100)).ok());
  }
  EXPECT_EQ(denials.RevokeToken("one more", At(100)).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(denials.RevokeUser("alice", At(1), At(100)).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(denials.RevokeToken("one more", At(100))), "LIMIT_REACHED");  // trying again does not help
  EXPECT_TRUE(denials.BlockUser({"bob", At(100), ""}).ok());                       // blocks have room of their own
  EXPECT_TRUE(denials.RevokeToken("t0", At(200)).ok());                            // known already
  denials.Sweep(At(150));
  EXPECT_TRUE(denials.BlockUser({"alice", At(200), ""}).ok());
  EXPECT_FALSE(denials.Check(Of("x", 0, "t0"), At(150)).ok());

  for (size_t i = 1; i < Denials::kMost; ++i) {  // alice is one; bob has gone
    ASSERT_TRUE(denials.BlockUser({"u" + std::to_string(i), At(200), ""}).ok());
  }
  EXPECT_EQ(ReasonOf(denials.BlockUser({"one more", At(200), ""})), "LIMIT_REACHED");
}

}  // namespace
}  // namespace carillon::auth
