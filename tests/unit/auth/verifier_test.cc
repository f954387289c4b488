#include "gateway/auth/verifier.h"

#include <gtest/gtest.h>

#include <atomic>

#include "tests/support/make_token.h"

namespace carillon::auth {
namespace {

constexpr std::chrono::system_clock::time_point kNow{std::chrono::seconds(1'700'000'000)};

TEST(VerifierTest, NewRulesCountFromTheNextTokenOn) {
  Verifier verifier(test::SecretRules());
  std::string token = test::MakeToken(R"({"sub":"alice","exp":1700003600})");
  auto before = verifier.Verify(token, kNow);
  ASSERT_TRUE(before.ok());

  verifier.SetRules(test::SecretRules("another secret of at least 32 bytes"));

  EXPECT_FALSE(verifier.Verify(token, kNow).ok());
  EXPECT_EQ((*before)->user_id, "alice");
}

TEST(VerifierTest, WithoutAnAddressNobodyWaitsForKeys) {
  Verifier verifier(test::SecretRules());
  EXPECT_FALSE(verifier.AwaitKeys([] { FAIL() << "called for nothing"; }));
  verifier.Stop();
  EXPECT_FALSE(verifier.AwaitKeys([] { FAIL() << "called for nothing"; }));
}

TEST(VerifierTest, WhoWaitsForSeveralAddressesIsCalledOnce) {
  TokenRules rules = test::SecretRules();
  for (const char* url : {"http://127.0.0.1:1/a", "http://127.0.0.1:1/b"}) {
    JwksRules& from = rules.fetched.emplace_back();
    from.address.url = url;
    from.min_interval = std::chrono::milliseconds(1);
  }
  Verifier verifier(rules);
  std::atomic<int> calls{0};
  int waits = 0;
  for (int i = 0; i < 200; ++i) waits += verifier.AwaitKeys([&calls] { ++calls; }) ? 1 : 0;
  verifier.Stop();
  EXPECT_GT(waits, 0);
  EXPECT_EQ(calls, waits);
}

// --- Tokens for one stream -------------------------------------------------------------------------------------------

std::string GrantOf(std::string_view stream, std::string_view more = "") {
  return test::MakeToken(R"({"sub":"alice","exp":1700003600,"stream":")" + std::string(stream) + '"' +
                         std::string(more) + "}");
}

TEST(VerifierTest, ATokenForAStreamGrantsThatOneToItsUser) {
  Verifier verifier(test::SecretRules());
  EXPECT_TRUE(verifier.VerifyGrant(GrantOf("chat"), "chat", "alice", kNow).ok());
  EXPECT_FALSE(verifier.VerifyGrant(GrantOf("chat"), "news", "alice", kNow).ok());
  EXPECT_FALSE(verifier.VerifyGrant(GrantOf("chat"), "Chat", "alice", kNow).ok());
  EXPECT_FALSE(verifier.VerifyGrant(GrantOf("chat"), "chat", "bob", kNow).ok());
  EXPECT_FALSE(verifier.VerifyGrant(GrantOf("chat"), "chat", "alice", kNow + std::chrono::hours(2)).ok());
  EXPECT_FALSE(verifier.VerifyGrant("rubbish", "chat", "alice", kNow).ok());
}

TEST(VerifierTest, ATokenForAStreamIsNoneForASessionAndTheOtherWayRound) {
  Verifier verifier(test::SecretRules());
  EXPECT_FALSE(verifier.Verify(GrantOf("chat"), kNow).ok());
  std::string session = test::MakeToken(R"({"sub":"alice","exp":1700003600,"streams":["chat"]})");
  EXPECT_TRUE(verifier.Verify(session, kNow).ok());
  EXPECT_FALSE(verifier.VerifyGrant(session, "chat", "alice", kNow).ok());
  for (const char* bad : {R"("")", R"("a b")", R"("system")", "7", "null", R"(["chat"])"}) {
    std::string odd = test::MakeToken(R"({"sub":"alice","exp":1700003600,"stream":)" + std::string(bad) + "}");
    EXPECT_FALSE(verifier.Verify(odd, kNow).ok()) << bad;
    EXPECT_FALSE(verifier.VerifyGrant(odd, "chat", "alice", kNow).ok()) << bad;
  }
}

TEST(VerifierTest, WhoIsKeptOutIsGrantedNothing) {
  Verifier verifier(test::SecretRules());
  ASSERT_TRUE(verifier.denials().RevokeToken("t1", Denials::kForGood).ok());
  EXPECT_FALSE(verifier.VerifyGrant(GrantOf("chat", R"(,"jti":"t1")"), "chat", "alice", kNow).ok());
  EXPECT_TRUE(verifier.VerifyGrant(GrantOf("chat", R"(,"jti":"t2")"), "chat", "alice", kNow).ok());
  ASSERT_TRUE(verifier.denials().BlockUser({"alice", Denials::kForGood, "no"}).ok());
  EXPECT_FALSE(verifier.VerifyGrant(GrantOf("chat"), "chat", "alice", kNow).ok());
}

}  // namespace
}  // namespace carillon::auth
