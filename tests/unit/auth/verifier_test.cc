#include "gateway/auth/verifier.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace carillon::auth
