#include "gateway/auth/key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace carillon::auth {
namespace {

using ::testing::HasSubstr;

constexpr char kRsa2048[] = R"(-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsgLZlJnWEPwU2lPJJGxr
lp9Q5W0jVxIyfOYUEs1RY4W70OX3h/mDerHlWi1eotP2kDAQWru7dNfJJQ7RCaQT
BUiXkYxKzf16kccZCccZQhpzosyws67CVKv+vCinMz3qhsvDjL5fLHw7szwdvnBZ
d+8+rUMdGpAazwPfOqzWQLVOF5CVKxUTgT7W2KycTHH0WTwMKqeqfni8h9ln87wV
UPRF+C982x8iyXw0ivDf0Iy3CXcbSVRyMwtIIMFjGcIyd27yxy+3Bq4H5LVSxxUx
BffnVij61miRxdkNebgzluhnnxrkBoADaUzgj+bPRgeSKQ3oQpmy2wvR1hmDLLf/
0QIDAQAB
-----END PUBLIC KEY-----
)";

constexpr char kRsa1024[] = R"(-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDCYnPznzaER/RlEjoQDY42QLy7
HZXSCXFCq54z3YK0AppJ2lGBIuA3uz+g8htKes0k6u5h0qydfRsNXGnhwSd/1wtG
vhUeQ8ODRphp6+QdK+LH+Vkefn1YM89/CVrW+yt9BLhPGXN6CvPtsVFf9Ko736De
YsJ1uoT7+8kRcvJNrQIDAQAB
-----END PUBLIC KEY-----
)";

constexpr char kSecp256k1[] = R"(-----BEGIN PUBLIC KEY-----
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEZ2yEhEU205JbgM77BS1kR5xipRBT6Dut
MoRPjdjdKIsIOR8Q3OfI0Tulfa7q9b9RHWsZlh5no9SCyHf2OB+xlA==
-----END PUBLIC KEY-----
)";

constexpr char kP256[] = R"(-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEoictWnsXqlG+twy8mTrwGjvcPvdT
jsiD7JVY8K7qsH6K0W3HIpcmAebiv1GyzdSKd1whmiTj3uyu362Q9zTG6A==
-----END PUBLIC KEY-----
)";

constexpr char kP256Certificate[] = R"(-----BEGIN CERTIFICATE-----
MIIBbjCCARWgAwIBAgIUDod6T7tGmYHFH1dqXVGq5EDTJG4wCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBdDAgFw0yNjExMjExNDQ1MzZaGA8yMTI2MTAyODE0NDUzNlow
DDEKMAgGA1UEAwwBdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKInLVp7F6pR
vrcMvJk68Bo73D73U47Ig+yVWPCu6rB+itFtxyKXJgHm4r9Rss3UindcIZok497s
rt+tkPc0xuijUzBRMB0GA1UdDgQWBBRasqJxwC9Y9239AQc5D99AZ4AxlDAfBgNV
HSMEGDAWgBRasqJxwC9Y9239AQc5D99AZ4AxlDAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0cAMEQCIBLETF8gO8z6SsjU+b4CkeIn3IwizPVy+VP9cDPnLufq
AiAt0pXPj+UM2vRSKgI5zmNrrg5Jb53ZD3ThOAhpf7PKvg==
-----END CERTIFICATE-----
)";

constexpr char kEd25519[] = R"(-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEASX/dHrmjTLibUVd6KxSK6+VivLhpaumD6mmby65z5eU=
-----END PUBLIC KEY-----
)";

StatusOr<Key> FromJwk(std::string_view text, std::optional<Algorithm> algorithm = std::nullopt) {
  return Key::FromJwk(boost::json::parse({text.data(), text.size()}).as_object(), algorithm);
}

std::string Why(const StatusOr<Key>& key) {
  EXPECT_FALSE(key.ok());
  return key.ok() ? "" : MessageOf(key.status());
}

TEST(AlgorithmTest, NamesGoBothWays) {
  for (int i = 0; i <= static_cast<int>(Algorithm::kEdDsa); ++i) {
    auto algorithm = static_cast<Algorithm>(i);

    EXPECT_EQ(AlgorithmNamed(NameOf(algorithm)), algorithm) << NameOf(algorithm);
  }
  for (std::string_view name : {"none", "", "hs256", "HS256 ", "ES256K", "RSA-OAEP", "Ed25519"}) {
    EXPECT_EQ(AlgorithmNamed(name), std::nullopt) << name;
  }
}

TEST(KeyTest, ASecretIsAtLeastAsLongAsTheHash) {
  EXPECT_TRUE(Key::FromSecret("", Algorithm::kHs256, std::string(32, 'x')).ok());
  EXPECT_THAT(Why(Key::FromSecret("", Algorithm::kHs256, std::string(31, 'x'))), HasSubstr("at least 32 bytes"));
  EXPECT_TRUE(Key::FromSecret("", Algorithm::kHs384, std::string(48, 'x')).ok());
  EXPECT_THAT(Why(Key::FromSecret("", Algorithm::kHs384, std::string(47, 'x'))), HasSubstr("at least 48 bytes"));
  EXPECT_THAT(Why(Key::FromSecret("", Algorithm::kHs512, std::string(63, 'x'))), HasSubstr("at least 64 bytes"));
  EXPECT_THAT(Why(Key::FromSecret("", Algorithm::kRs256, std::string(64, 'x'))), HasSubstr("public key"));
}

TEST(KeyTest, PemSaysItsAlgorithm) {
  EXPECT_EQ(Key::FromPem("", {}, kRsa2048)->algorithm(), Algorithm::kRs256);
  EXPECT_EQ(Key::FromPem("", Algorithm::kPs512, kRsa2048)->algorithm(), Algorithm::kPs512);
  EXPECT_EQ(Key::FromPem("k1", {}, kP256)->algorithm(), Algorithm::kEs256);
  EXPECT_EQ(Key::FromPem("k1", {}, kP256)->id(), "k1");
  EXPECT_EQ(Key::FromPem("", {}, kP256Certificate)->algorithm(), Algorithm::kEs256);
  EXPECT_EQ(Key::FromPem("", {}, kEd25519)->algorithm(), Algorithm::kEdDsa);
}

TEST(KeyTest, PemThatDoesNotFitIsRefused) {
  EXPECT_THAT(Why(Key::FromPem("", {}, kRsa1024)), HasSubstr("2048"));
  EXPECT_THAT(Why(Key::FromPem("", {}, kSecp256k1)), HasSubstr("none of RSA"));
  EXPECT_THAT(Why(Key::FromPem("", Algorithm::kRs256, kP256)), HasSubstr("not one for RS256"));
  EXPECT_THAT(Why(Key::FromPem("", Algorithm::kEs384, kP256)), HasSubstr("not one for ES384"));
  EXPECT_THAT(Why(Key::FromPem("", Algorithm::kHs256, kRsa2048)), HasSubstr("not one for HS256"));
  EXPECT_THAT(Why(Key::FromPem("", {}, "")), HasSubstr("PEM"));
  EXPECT_THAT(Why(Key::FromPem("", {}, "ssh-rsa AAAA")), HasSubstr("PEM"));
  EXPECT_THAT(Why(Key::FromPem("", {}, "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----")),
              HasSubstr("private"));
  EXPECT_THAT(Why(Key::FromPem(std::string(129, 'k'), {}, kP256)), HasSubstr("128"));
  EXPECT_THAT(Why(Key::FromPem("a b", {}, kP256)), HasSubstr("printable"));
}

struct JwkCase {
  std::string_view what;
  std::string_view jwk;
  absl::StatusCode code;
  std::string_view why;
};

TEST(KeyTest, JwksThatAreNoneAreRefused) {
  constexpr auto kUnknown = absl::StatusCode::kUnimplemented;
  constexpr auto kWrong = absl::StatusCode::kInvalidArgument;
  const JwkCase kCases[] = {
      {"nothing", R"({})", kUnknown, "kty"},
      {"for encryption", R"({"kty":"oct","use":"enc","k":"AAAA"})", kUnknown, "not for signatures"},
      {"alg for encryption", R"({"kty":"RSA","alg":"RSA-OAEP"})", kUnknown, "alg"},
      {"alg none", R"({"kty":"oct","alg":"none","k":""})", kUnknown, "alg"},
      {"alg is a number", R"({"kty":"oct","alg":5,"k":"AAAA"})", kUnknown, "alg"},
      {"ECDH", R"({"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})", kUnknown, "crv"},
      {"Ed25519 as EC", R"({"kty":"EC","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})", kUnknown,
       "crv"},
      {"short secret", R"({"kty":"oct","k":"AAAA"})", kWrong, "at least 32 bytes"},
      {"no secret", R"({"kty":"oct"})", kWrong, "\"k\""},
      {"padded", R"({"kty":"oct","k":"AAAA="})", kWrong, "base64url"},
      {"short RSA", R"({"kty":"RSA","n":"qqqq","e":"AQAB"})", kWrong, "2048"},
      {"no exponent", R"({"kty":"RSA","n":"qqqq"})", kWrong, "\"e\""},
      {"not on the curve",
       R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"})",
       kWrong, "no key"},
      {"short x", R"({"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"})", kWrong, "32 bytes"},
      {"of another curve",
       R"({"kty":"EC","alg":"ES384","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})",
       kWrong, "not one for ES384"},
      {"short Ed25519", R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"})", kWrong, "32 bytes"},
  };
  for (const JwkCase& c : kCases) {
    auto key = FromJwk(c.jwk);

    ASSERT_FALSE(key.ok()) << c.what;
    EXPECT_EQ(key.status().code(), c.code) << c.what;
    EXPECT_THAT(MessageOf(key.status()), HasSubstr(std::string(c.why))) << c.what;
  }
}

// RFC 7518 section 3.4: r and s, each as long as the order; zeros verify anything in careless libraries
// (CVE-2022-21449).
TEST(KeyTest, EcSignaturesOfTheWrongShapeAreRefused) {
  auto key = Key::FromPem("", {}, kP256);
  ASSERT_TRUE(key.ok());

  EXPECT_FALSE(key->Verify("x", std::string(64, '\0')));
  EXPECT_FALSE(key->Verify("x", std::string(32, '\0') + std::string(32, 'a')));
  EXPECT_FALSE(key->Verify("x", std::string(32, 'a') + std::string(32, '\0')));
  for (size_t size : {0, 1, 63, 65, 70, 72, 96, 1000}) EXPECT_FALSE(key->Verify("x", std::string(size, 'a'))) << size;
}

}  // namespace
}  // namespace carillon::auth
