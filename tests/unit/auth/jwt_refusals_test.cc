#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/auth/jwt.h"
#include "tests/support/make_token.h"

namespace carillon::auth {
namespace {

using test::Base64Url;
using test::MakeToken;
using test::SignatureOf;
using ::testing::HasSubstr;

constexpr std::chrono::system_clock::time_point kNow{std::chrono::seconds(1'700'000'000)};
constexpr char kHeader[] = R"({"alg":"HS256","typ":"JWT"})";
constexpr char kClaims[] = R"({"sub":"alice","exp":1700003600})";

// A well-signed token of parts that are base64url already, or should be.
std::string MakeRaw(const std::string& header, const std::string& claims) {
  std::string input = header + "." + claims;
  return input + "." + SignatureOf(input);
}

std::string List(int entries) {
  std::string list = "[\"r\"";
  for (int i = 1; i < entries; ++i) list.append(",\"r\"");
  return list + "]";
}

std::string Labels(int entries) {
  std::string labels = "{";
  for (int i = 0; i < entries; ++i) labels.append(i == 0 ? "" : ",").append("\"k" + std::to_string(i) + "\":\"v\"");
  return labels + "}";
}

std::string With(const std::string& claim) {
  return R"({"sub":"alice","exp":1700003600,)" + claim + "}";
}

struct RefusalCase {
  std::string_view what;
  std::string token;
  std::string_view reason;
};

class JwtRefusalTest : public ::testing::Test {
 protected:
  template <size_t N>
  void ExpectRefusals(const RefusalCase (&cases)[N]) {
    for (const RefusalCase& c : cases) {
      auto identity = VerifyJwt(c.token, settings_, kNow);

      ASSERT_FALSE(identity.ok()) << c.what;
      EXPECT_EQ(identity.status().code(), absl::StatusCode::kUnauthenticated) << c.what;
      EXPECT_THAT(MessageOf(identity.status()), HasSubstr(std::string(c.reason))) << c.what;
    }
  }

  TokenRules settings_ = test::SecretRules();
};

TEST_F(JwtRefusalTest, TheTableBeginsWithAGoodToken) {
  EXPECT_TRUE(VerifyJwt(MakeToken(kClaims), settings_, kNow).ok());
  EXPECT_TRUE(VerifyJwt(MakeRaw(Base64Url(kHeader), Base64Url(kClaims)), settings_, kNow).ok());
}

TEST_F(JwtRefusalTest, Shape) {
  const std::string good = MakeToken(kClaims);
  const RefusalCase kCases[] = {
      {"nothing", "", "empty"},
      {"one part", "abc", "form"},
      {"two parts", "abc.def", "form"},
      {"four parts", good + ".x", "form"},
      {"five parts, like JWE", "a.b.c.d.e", "encrypted"},
      {"dots only", "..", "header is not a JSON object"},
      {"a space in front", " " + good, "base64url"},
      {"a line break behind", good + "\n", "signature"},
      {"longer than 8 KiB", MakeToken(With("\"x\":\"" + std::string(8192, 'x') + "\"")), "longer"},
      {"standard alphabet", MakeRaw(Base64Url(kHeader), "ab+/"), "claims are not base64url"},
  };
  ExpectRefusals(kCases);
}

TEST_F(JwtRefusalTest, Header) {
  const RefusalCase kCases[] = {
      {"alg none", MakeToken(kClaims, R"({"alg":"none"})"), "alg"},
      {"alg none, unsigned", Base64Url(R"({"alg":"none"})") + "." + Base64Url(kClaims) + ".", "alg"},
      {"alg NONE", MakeToken(kClaims, R"({"alg":"NONE"})"), "alg"},
      {"RS256 with the secret as key", MakeToken(kClaims, R"({"alg":"RS256","typ":"JWT"})"), "alg"},
      {"HS384", MakeToken(kClaims, R"({"alg":"HS384"})"), "alg"},
      {"hs256", MakeToken(kClaims, R"({"alg":"hs256"})"), "alg"},
      {"no alg", MakeToken(kClaims, R"({"typ":"JWT"})"), "alg"},
      {"alg is a number", MakeToken(kClaims, R"({"alg":256})"), "alg"},
      {"alg is a list", MakeToken(kClaims, R"({"alg":["HS256"]})"), "alg"},
      {"crit", MakeToken(kClaims, R"({"alg":"HS256","crit":["exp"]})"), "critical"},
      {"crit, empty", MakeToken(kClaims, R"({"alg":"HS256","crit":[]})"), "critical"},
      {"b64 false is critical", MakeToken(kClaims, R"({"alg":"HS256","b64":false,"crit":["b64"]})"), "critical"},
      {"two algs", MakeToken(kClaims, R"({"alg":"none","alg":"HS256"})"), "header names a member twice"},
      {"no JSON", MakeToken(kClaims, "HS256"), "header is not a JSON object"},
      {"a list", MakeToken(kClaims, R"([{"alg":"HS256"}])"), "header is not a JSON object"},
      {"text after it", MakeToken(kClaims, R"({"alg":"HS256"} x)"), "header is not a JSON object"},
      {"bad UTF-8", MakeToken(kClaims, "{\"alg\":\"HS256\",\"x\":\"\xff\"}"), "header is not a JSON object"},
      {"too deep", MakeToken(kClaims, R"({"alg":"HS256","x":)" + std::string(40, '[') + std::string(40, ']') + "}"),
       "header is not a JSON object"},
  };
  ExpectRefusals(kCases);
}

TEST_F(JwtRefusalTest, Signature) {
  const std::string good = MakeToken(kClaims);
  const std::string input = good.substr(0, good.rfind('.'));
  const std::string signature = good.substr(good.rfind('.') + 1);
  // The last of 43 digits of 32 bytes holds two bits that belong to no byte.
  std::string same_bytes = signature;
  const std::string kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  same_bytes.back() = kDigits[kDigits.find(signature.back()) ^ 1];
  const RefusalCase kCases[] = {
      {"none", input + ".", "signature"},
      {"of other claims",
       Base64Url(kHeader) + "." + Base64Url(R"({"sub":"mallory","exp":1700003600})") + "." + signature, "signature"},
      {"of another key", MakeToken(kClaims, kHeader, "another secret of at least 32 bytes"), "signature"},
      {"of the empty key", MakeToken(kClaims, kHeader, ""), "signature"},
      {"cut short", good.substr(0, good.size() - 4), "signature"},
      {"longer", good + "AAAA", "signature"},
      {"padded", good + "=", "signature"},
      {"not canonical", input + "." + same_bytes, "signature"},
      {"of another input, right length", input + "." + SignatureOf("x"), "signature"},
      {"hexadecimal", input + "." + std::string(64, 'a'), "signature"},
  };
  ExpectRefusals(kCases);
}

TEST_F(JwtRefusalTest, NonCanonicalParts) {
  const RefusalCase kCases[] = {
      {"a padded header", MakeRaw(Base64Url(R"({"alg":"HS256"})") + "=", Base64Url(kClaims)),
       "header is not base64url"},
      {"padded claims", MakeRaw(Base64Url(kHeader), Base64Url(kClaims) + "="), "claims are not base64url"},
      {"white space in the claims", MakeRaw(Base64Url(kHeader), Base64Url(kClaims).insert(4, " ")),
       "claims are not base64url"},
      {"a digit too many", MakeRaw(Base64Url(kHeader), Base64Url(kClaims) + "A"), "claims is not"},
  };
  ExpectRefusals(kCases);
}

TEST_F(JwtRefusalTest, Claims) {
  const RefusalCase kCases[] = {
      {"no JSON", MakeToken("sub=alice"), "claims is not a JSON object"},
      {"a string", MakeToken("\"alice\""), "claims is not a JSON object"},
      {"no sub", MakeToken(R"({"exp":1700003600})"), "\"sub\""},
      {"empty sub", MakeToken(R"({"sub":"","exp":1700003600})"), "\"sub\""},
      {"sub is true", MakeToken(R"({"sub":true,"exp":1700003600})"), "\"sub\""},
      {"sub is too long", MakeToken(R"({"exp":1700003600,"sub":")" + std::string(257, 'x') + "\"}"), "\"sub\""},
      {"sub has a control character", MakeToken(R"({"sub":"a\nb","exp":1700003600})"), "\"sub\""},
      {"no exp", MakeToken(R"({"sub":"alice"})"), "no \"exp\""},
      {"exp is text", MakeToken(R"({"sub":"alice","exp":"1700003600"})"), "\"exp\" is not a time"},
      {"exp is null", MakeToken(R"({"sub":"alice","exp":null})"), "\"exp\" is not a time"},
      {"exp is negative", MakeToken(R"({"sub":"alice","exp":-1})"), "\"exp\" is not a time"},
      {"exp beyond any calendar", MakeToken(R"({"sub":"alice","exp":1e300})"), "\"exp\" is not a time"},
      {"exp infinite", MakeToken(R"({"sub":"alice","exp":1e999})"), "\"exp\" is not a time"},
      {"exp in milliseconds", MakeToken(R"({"sub":"alice","exp":1700003600000})"), "\"exp\" is not a time"},
      {"expired", MakeToken(R"({"sub":"alice","exp":1699999970})"), "expired"},
      {"expired long ago", MakeToken(R"({"sub":"alice","exp":0})"), "expired"},
      {"not yet", MakeToken(With(R"("nbf":1700000031)")), "not valid yet"},
      {"nbf is text", MakeToken(With(R"("nbf":"now")")), "\"nbf\" is not a time"},
      {"roles is a number", MakeToken(With("\"roles\":1")), "\"roles\""},
      {"roles holds a number", MakeToken(With("\"roles\":[\"a\",1]")), "\"roles\""},
      {"roles holds null", MakeToken(With("\"roles\":[null]")), "\"roles\""},
      {"roles is an object", MakeToken(With("\"roles\":{}")), "\"roles\""},
      {"101 roles", MakeToken(With("\"roles\":" + List(101))), "\"roles\""},
      {"a long role", MakeToken(With("\"roles\":[\"" + std::string(257, 'r') + "\"]")), "\"roles\""},
      {"streams is true", MakeToken(With("\"streams\":true")), "\"streams\""},
      {"101 streams", MakeToken(With("\"streams\":" + List(101))), "\"streams\""},
      {"labels is a list", MakeToken(With("\"labels\":[]")), "\"labels\""},
      {"a label is a number", MakeToken(With(R"("labels":{"a":1})")), "\"labels\""},
      {"101 labels", MakeToken(With("\"labels\":" + Labels(101))), "\"labels\""},
      {"a long label", MakeToken(With(R"("labels":{"a":")" + std::string(257, 'v') + "\"}")), "\"labels\""},
  };
  ExpectRefusals(kCases);
}

TEST_F(JwtRefusalTest, BoundsHoldTheLargestThatTheyName) {
  EXPECT_EQ(VerifyJwt(MakeToken(With("\"roles\":" + List(100))), settings_, kNow)->roles.size(), 100u);
  EXPECT_EQ(VerifyJwt(MakeToken(With("\"labels\":" + Labels(100))), settings_, kNow)->labels.size(), 100u);
}

TEST_F(JwtRefusalTest, Issuer) {
  settings_.issuer = "https://id.example.com";
  const RefusalCase kCases[] = {
      {"none", MakeToken(kClaims), "\"iss\""},
      {"another", MakeToken(With(R"("iss":"https://evil.example.com")")), "\"iss\""},
      {"nearly", MakeToken(With(R"("iss":"https://id.example.com/")")), "\"iss\""},
      {"a number", MakeToken(With("\"iss\":1")), "\"iss\""},
      {"a list", MakeToken(With(R"("iss":["https://id.example.com"])")), "\"iss\""},
  };
  ExpectRefusals(kCases);
  EXPECT_TRUE(VerifyJwt(MakeToken(With(R"("iss":"https://id.example.com")")), settings_, kNow).ok());
}

TEST_F(JwtRefusalTest, NoSecretMeansNoTokens) {
  settings_.keys = {};
  const RefusalCase kCases[] = {
      {"signed with the empty key", MakeToken(kClaims, kHeader, ""), "not accepted"},
      {"any", MakeToken(kClaims), "not accepted"},
  };
  ExpectRefusals(kCases);
}

}  // namespace
}  // namespace carillon::auth
