#include "gateway/server/token_rules.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "gateway/server/config_values.h"
#include "tests/support/make_token.h"

namespace carillon::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kEd25519[] =
    R"({"kty":"OKP","crv":"Ed25519","kid":"ed","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
constexpr char kPem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEoictWnsXqlG+twy8mTrwGjvcPvdT\n"
    "jsiD7JVY8K7qsH6K0W3HIpcmAebiv1GyzdSKd1whmiTj3uyu362Q9zTG6A==\n"
    "-----END PUBLIC KEY-----\n";

class TokenRulesTest : public ::testing::Test {
 protected:
  TokenRulesTest() {
    char name[] = "/tmp/carillon-keys-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~TokenRulesTest() override { std::filesystem::remove_all(folder_); }

  std::string File(const std::string& name, std::string_view text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }

  auth::TokenRules Read(const std::string& text) {
    v1::AuthConfig config;
    SetDefaults(config);
    EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(text, &config)) << text;
    problems_.clear();
    return TokenRulesOf(config, [this](const std::string& path, const std::string& message) {
      problems_.push_back(path + ": " + message);
    });
  }

  std::filesystem::path folder_;
  std::vector<std::string> problems_;
};

TEST_F(TokenRulesTest, EverySourceOfKeysIsRead) {
  auth::TokenRules rules = Read(R"(
    hs256_secret: '0123456789abcdef0123456789abcdef'
    keys { id: 's' algorithm: 'HS384' secret: '0123456789abcdef0123456789abcdef0123456789abcdef' }
    keys { id: 'p' pem_file: ')" +
                                File("p.pem", kPem) + R"(' }
    keys { jwk_file: ')" + File("e.json", kEd25519) +
                                R"(' }
  )");

  EXPECT_THAT(problems_, IsEmpty());
  std::vector<std::string> keys;
  for (const auth::Key& key : rules.keys.keys()) keys.push_back(key.id() + ":" + std::string(NameOf(key.algorithm())));
  EXPECT_THAT(keys, ElementsAre(":HS256", "s:HS384", "p:ES256", "ed:EdDSA"));
}

TEST_F(TokenRulesTest, AddressesOfKeysAreTakenOver) {
  std::string ca = File("ca.pem", "anything");
  auth::TokenRules rules = Read(R"(
    keys { jwks_url: 'https://login.example.com/jwks?t=1' algorithm: 'PS256' }
    keys { jwks_url: 'http://127.0.0.1:8080/jwks' }
    jwks { refresh { seconds: 60 } min_interval { seconds: 7 } timeout { seconds: 3 } ca_file: ')" +
                                ca + R"(' }
  )");

  EXPECT_THAT(problems_, IsEmpty());
  ASSERT_EQ(rules.fetched.size(), 2u);
  EXPECT_EQ(rules.fetched[0].address,
            (auth::JwksAddress{"https://login.example.com/jwks?t=1", ca, std::chrono::seconds(3)}));
  EXPECT_EQ(rules.fetched[0].algorithm, auth::Algorithm::kPs256);
  EXPECT_EQ(rules.fetched[0].refresh, std::chrono::seconds(60));
  EXPECT_EQ(rules.fetched[0].min_interval, std::chrono::seconds(7));
  EXPECT_FALSE(rules.fetched[1].algorithm.has_value());
}

TEST_F(TokenRulesTest, WhatIsNoAddressOfKeysIsRefused) {
  std::string many;
  for (int i = 0; i < 17; ++i) many += "keys { jwks_url: 'https://a.example/' }";
  const std::pair<std::string, std::string> kCases[] = {
      {"keys { jwks_url: 'http://login.example.com/jwks' }", "auth.keys[0].jwks_url: is http"},
      {"keys { jwks_url: 'https://a.example/' id: 'x' }", "auth.keys[0].id: is what the JWK says"},
      {"keys { jwks_url: 'https://a.example/' secret: '0123456789abcdef0123456789abcdef' }", "needs one of"},
      {"keys { jwks_url: 'https://a.example/' } jwks { ca_file: '/nowhere.pem' }", "auth.jwks.ca_file: /nowhere.pem"},
      {many, "at most 16 with a jwks_url"},
      {"jwks { refresh { seconds: 20 } }", "auth.jwks.refresh: is less than auth.jwks.min_interval"},
  };
  for (const auto& [text, problem] : kCases) {
    Read(text);
    EXPECT_THAT(problems_, ElementsAre(HasSubstr(problem))) << text;
  }
}

TEST_F(TokenRulesTest, TheRestIsTakenOver) {
  auth::TokenRules rules = Read(R"(
    issuer: 'i' audience: 'a' leeway { seconds: 9 } max_lifetime { seconds: 60 }
    claims { user: 'uid' name: 'n' roles: 'r.x' streams: 's' labels { label: 'workspace' claim: 'ws' }
             subscribe: 'workspace-{workspace}' }
  )");

  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_EQ(rules.issuer, "i");
  EXPECT_EQ(rules.audience, "a");
  EXPECT_EQ(rules.leeway, std::chrono::seconds(9));
  EXPECT_EQ(rules.max_lifetime, std::chrono::seconds(60));
  EXPECT_EQ(rules.claims.user, "uid");
  EXPECT_EQ(rules.claims.name, "n");
  EXPECT_EQ(rules.claims.roles, "r.x");
  EXPECT_EQ(rules.claims.streams, "s");
  EXPECT_EQ(rules.claims.labels.at("workspace"), "ws");
  EXPECT_THAT(rules.claims.subscribe, ElementsAre("workspace-{workspace}"));
}

TEST_F(TokenRulesTest, EachMistakeIsNamed) {
  const std::string pem = File("p.pem", kPem);
  const std::pair<std::string, std::string> kCases[] = {
      {"hs256_secret: '0123456789abcdef0123456789abcde'", "auth.hs256_secret: at least 32 bytes"},
      {"keys {}", "auth.keys[0]: needs one of"},
      {"keys { secret: 'x' pem_file: 'y' }", "auth.keys[0]: needs one of"},
      {"keys { secret: 'short' }", "auth.keys[0].secret: a secret for HS256 has at least 32 bytes"},
      {"keys { pem_file: '" + pem + "' algorithm: 'none' }", "auth.keys[0].algorithm: is none of HS256"},
      {"keys { pem_file: '" + pem + "' algorithm: 'RS256' }", "auth.keys[0].pem_file: the key is not one for RS256"},
      {"keys { pem_file: '/nowhere' }", "auth.keys[0].pem_file: /nowhere: No such file"},
      {"keys { pem_file: '/tmp' }", "is not a file"},
      {"keys { pem_file: '" + File("bad.pem", "x") + "' }", "auth.keys[0].pem_file: is not a public key"},
      {"keys { jwk_file: '" + File("bad.json", "{") + "' }", "auth.keys[0].jwk_file: not JSON"},
      {"keys { jwk_file: '" + File("new.json", R"({"keys":[{"kty":"new"}]})") + "' }", "auth.keys[0].jwk_file: no key"},
      {"keys { jwk_file: '" + File("e.json", kEd25519) + "' id: 'x' }", "auth.keys[0].id: is what the JWK says"},
      {"keys { jwk_file: '" + File("big.json", std::string(2 << 20, ' ')) + "' }", "has more than"},
      {"claims { labels { claim: 'x' } }", "auth.claims.labels[0].label"},
      {"claims { labels { label: 'user' claim: 'x' } }", "auth.claims.labels[0].label"},
      {"claims { labels { label: 'x' } }", "auth.claims.labels[0].claim"},
      {"claims { labels { label: 'x' claim: 'a' } labels { label: 'x' claim: 'b' } }", "stands above already"},
      {"claims { subscribe: 'a-{b' }", "auth.claims.subscribe[0]: has a { without a }"},
      {"claims { subscribe: 'chat' }", "auth.claims.subscribe[0]: is the same for everybody"},
  };
  for (const auto& [text, problem] : kCases) {
    Read(text);

    EXPECT_THAT(problems_, ElementsAre(HasSubstr(problem))) << text;
  }
}

// Identity providers' sets hold keys for encryption too (RFC 7517 section 5).
TEST_F(TokenRulesTest, KeysForOtherThingsAreLeftOut) {
  auth::TokenRules rules = Read(
      "keys { jwk_file: '" + File("two.json", std::string(R"({"keys":[)") + kEd25519 + R"(,{"kty":"new"}]})") + "' }");

  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_EQ(rules.keys.keys().size(), 1u);
}

TEST_F(TokenRulesTest, HalfASecondIsNotAnyLife) {
  EXPECT_EQ(Read("max_lifetime { seconds: 0 nanos: 500000000 }").max_lifetime, std::chrono::seconds(1));
}

TEST_F(TokenRulesTest, CheckTokenMayBringItsOwnKeys) {
  auto keys = ReadJwkFile(File("e.json", kEd25519));

  ASSERT_TRUE(keys.ok()) << MessageOf(keys.status());
  EXPECT_EQ(keys->keys().size(), 1u);
  EXPECT_FALSE(ReadJwkFile("/nowhere").ok());
}

}  // namespace
}  // namespace carillon::server
