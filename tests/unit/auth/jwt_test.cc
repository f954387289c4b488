#include "gateway/auth/jwt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/make_token.h"
#include "tests/support/seed.h"

namespace carillon::auth {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

constexpr std::chrono::system_clock::time_point kNow{seconds(1'700'000'000)};

TokenRules Settings() {
  return test::SecretRules();
}

Identity Alice() {
  Identity identity;
  identity.user_id = "alice";
  identity.name = "Alice \"A\" J\xc3\xbcrgens";
  identity.roles = {"admin", "staff"};
  identity.labels = {{"device", "phone"}, {"region", ""}};
  identity.streams = {"chat", "private-x"};
  identity.expires_at = kNow + seconds(3600);
  return identity;
}

std::string Claims(std::string_view more) {
  return R"({"sub":"alice","exp":1700003600)" + std::string(more) + "}";
}

TEST(JwtTest, WhatIsSignedIsVerified) {
  TokenRules settings = Settings();
  settings.issuer = "https://id.example.com";
  settings.audience = "carillon";

  auto identity = VerifyJwt(SignJwt(Alice(), test::kSecret, settings.issuer, settings.audience, kNow), settings, kNow);

  ASSERT_TRUE(identity.ok()) << MessageOf(identity.status());
  EXPECT_EQ(identity->user_id, "alice");
  EXPECT_EQ(identity->name, Alice().name);
  EXPECT_THAT(identity->roles, ElementsAre("admin", "staff"));
  EXPECT_THAT(identity->labels, ElementsAre(Pair("device", "phone"), Pair("region", "")));
  EXPECT_THAT(identity->streams, ElementsAre("chat", "private-x"));
  EXPECT_EQ(identity->expires_at, kNow + seconds(3600));
}

TEST(JwtTest, OnlySubAndExpAreNeeded) {
  auto identity = VerifyJwt(test::MakeToken(Claims("")), Settings(), kNow);

  ASSERT_TRUE(identity.ok()) << MessageOf(identity.status());
  EXPECT_EQ(identity->name, "");
  EXPECT_THAT(identity->roles, IsEmpty());
  EXPECT_THAT(identity->streams, IsEmpty());
  EXPECT_THAT(identity->labels, IsEmpty());
}

TEST(JwtTest, NullsCountAsAbsentAndOneRoleAsAList) {
  auto identity = VerifyJwt(test::MakeToken(Claims(R"(,"roles":"admin","streams":null,"labels":null,"name":null)")),
                            Settings(), kNow);

  ASSERT_TRUE(identity.ok()) << MessageOf(identity.status());
  EXPECT_THAT(identity->roles, ElementsAre("admin"));
}

TEST(JwtTest, ALongNameIsCut) {
  auto identity = VerifyJwt(test::MakeToken(Claims(",\"name\":\"" + std::string(300, 'n') + "\"")), Settings(), kNow);

  EXPECT_EQ(identity->name, std::string(256, 'n'));
}

// RFC 7515 appendix A.1. Its claims name no subject, so the token is refused in the end, but not for its signature.
TEST(JwtTest, TheVectorOfRfc7515A1IsWellSigned) {
  constexpr char kVector[] =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
      ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
      ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  constexpr char kKey[] = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
  std::string secret;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(kKey, &secret));
  ASSERT_EQ(secret.size(), 64u);
  TokenRules settings = test::SecretRules(secret);
  std::string changed = kVector;
  changed[changed.size() - 20] ^= 1;

  EXPECT_THAT(MessageOf(VerifyJwt(kVector, settings, kNow).status()), HasSubstr("\"sub\""));
  EXPECT_THAT(MessageOf(VerifyJwt(changed, settings, kNow).status()), HasSubstr("signature"));
}

class JwtTimeTest : public ::testing::Test {
 protected:
  static bool Good(std::string_view claims, seconds leeway, seconds now) {
    TokenRules settings = Settings();
    settings.leeway = leeway;
    return VerifyJwt(test::MakeToken(R"({"sub":"alice",)" + std::string(claims) + "}"), settings,
                     std::chrono::system_clock::time_point(now))
        .ok();
  }
};

TEST_F(JwtTimeTest, ATokenLivesUntilItsExpAndTheLeeway) {
  EXPECT_TRUE(Good(R"("exp":1000)", seconds(0), seconds(999)));
  EXPECT_FALSE(Good(R"("exp":1000)", seconds(0), seconds(1000)));
  EXPECT_TRUE(Good(R"("exp":1000)", seconds(30), seconds(1029)));
  EXPECT_FALSE(Good(R"("exp":1000)", seconds(30), seconds(1030)));
}

TEST_F(JwtTimeTest, ATokenBeginsAtItsNbfLessTheLeeway) {
  EXPECT_FALSE(Good(R"("exp":9000,"nbf":1000)", seconds(0), seconds(999)));
  EXPECT_TRUE(Good(R"("exp":9000,"nbf":1000)", seconds(0), seconds(1000)));
  EXPECT_FALSE(Good(R"("exp":9000,"nbf":1000)", seconds(30), seconds(969)));
  EXPECT_TRUE(Good(R"("exp":9000,"nbf":1000)", seconds(30), seconds(970)));
}

TEST_F(JwtTimeTest, TimesMayHaveFractions) {
  EXPECT_TRUE(Good(R"("exp":1000.9)", seconds(0), seconds(999)));
  EXPECT_TRUE(Good(R"("exp":1e3)", seconds(0), seconds(999)));
  EXPECT_FALSE(Good(R"("exp":1e3)", seconds(0), seconds(1000)));
}

// "Never expires" is often written as a date far away; those must not wrap around.
TEST_F(JwtTimeTest, ATimeFarAwayIsFarAway) {
  for (std::string_view exp : {"4102444800", "9223372036", "9223372037", "9999999999", "18446744073", "253402300799"}) {
    EXPECT_TRUE(Good("\"exp\":" + std::string(exp), seconds(30), seconds(1'700'000'000))) << exp;
  }
  for (std::string_view nbf : {"9223372036", "9999999999", "253402300799"}) {
    EXPECT_FALSE(Good("\"exp\":253402300799,\"nbf\":" + std::string(nbf), seconds(30), seconds(1'700'000'000))) << nbf;
  }
}

struct AudienceCase {
  std::string_view aud;
  bool good;
};

TEST(JwtAudienceTest, OneOfTheAudiencesMustBeThisGateway) {
  TokenRules settings = Settings();
  settings.audience = "carillon";
  const AudienceCase kCases[] = {
      {R"(,"aud":"carillon")", true},
      {R"(,"aud":["other","carillon"])", true},
      {"", false},
      {R"(,"aud":null)", false},
      {R"(,"aud":"other")", false},
      {R"(,"aud":"Carillon")", false},
      {R"(,"aud":"carillon ")", false},
      {R"(,"aud":[])", false},
      {R"(,"aud":["other"])", false},
      {R"(,"aud":["carillon",1])", false},
      {R"(,"aud":{"carillon":true})", false},
      {R"(,"aud":1)", false},
  };
  for (const AudienceCase& c : kCases) {
    EXPECT_EQ(VerifyJwt(test::MakeToken(Claims(c.aud)), settings, kNow).ok(), c.good) << c.aud;
  }
}

TEST(JwtAudienceTest, NobodyLooksWhereNoneIsConfigured) {
  EXPECT_TRUE(VerifyJwt(test::MakeToken(Claims(R"(,"aud":["other"],"iss":"anyone")")), Settings(), kNow).ok());
}

TEST(JwtTest, EveryChangedByteIsRefusedAndNothingOfTheTokenIsQuoted) {
  test::Random random;
  const std::string token = SignJwt(Alice(), test::kSecret, "", "", kNow);
  for (size_t at = 0; at < token.size(); ++at) {
    std::string changed = token;
    changed[at] = static_cast<char>(changed[at] ^ (1U << random.Below(8)));

    auto identity = VerifyJwt(changed, Settings(), kNow);

    ASSERT_FALSE(identity.ok()) << at;
    ASSERT_EQ(identity.status().code(), absl::StatusCode::kUnauthenticated);
  }
}

TEST(JwtTest, RefusalsHoldNothingOfTheToken) {
  const std::string kMarked[] = {
      test::MakeToken(R"({"sub":"canary\u0000","exp":1700003600})"),
      test::MakeToken(R"({"sub":"alice","exp":"canary"})"),
      test::MakeToken(R"({"sub":"alice","exp":1700003600,"roles":{"canary":1}})"),
      test::MakeToken(R"({"canary)"),
      test::MakeToken("{}", R"({"alg":"canary"})"),
      "canary.canary.canary",
  };
  for (const std::string& token : kMarked) {
    Status status = VerifyJwt(token, Settings(), kNow).status();

    EXPECT_FALSE(status.ok());
    EXPECT_THAT(MessageOf(status), Not(HasSubstr("canary")));
  }
}

TEST(JwtTest, RandomTextIsRefused) {
  test::Random random;
  const std::string token = SignJwt(Alice(), test::kSecret, "", "", kNow);
  for (int i = 0; i < 5000; ++i) {
    std::string text = random.OneIn(3) ? random.Bytes(random.Below(100)) : random.Mutated(token);
    if (text == token) continue;

    ASSERT_FALSE(VerifyJwt(text, Settings(), kNow).ok()) << text;
  }
}

}  // namespace
}  // namespace carillon::auth
