#include "gateway/auth/key_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/auth/base64url.h"
#include "gateway/auth/jws.h"

namespace carillon::auth {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kSecret[] = "0123456789abcdef0123456789abcdef";

std::string Oct(std::string_view id, std::string_view secret = kSecret) {
  return fmt::format(R"({{"kty":"oct","kid":"{}","k":"{}"}})", id, EncodeBase64Url(secret));
}

StatusOr<KeySet> Read(std::string_view text, std::vector<std::string>* left_out) {
  return KeySet::FromJwks(text, std::nullopt, left_out);
}

// A text signed with HS256 that says which key.
std::string Signed(std::string_view header, std::string_view secret = kSecret) {
  std::string input = EncodeBase64Url(header) + "." + EncodeBase64Url("{}");
  return input + "." + EncodeBase64Url(HmacOf(Algorithm::kHs256, secret, input));
}

TEST(KeySetTest, ASetAndASingleKeyAreRead) {
  std::vector<std::string> left_out;

  EXPECT_EQ(Read(R"({"keys":[)" + Oct("a") + "," + Oct("b") + "]}", &left_out)->keys().size(), 2u);
  EXPECT_EQ(Read(Oct("a"), &left_out)->keys().size(), 1u);
  EXPECT_THAT(left_out, IsEmpty());
}

// RFC 7517 section 5: implementations should ignore keys that they do not understand.
TEST(KeySetTest, KeysThatCannotBeUsedAreLeftOut) {
  std::vector<std::string> left_out;

  auto keys = Read(R"({"keys":[{"kty":"new"},)" + Oct("a") + R"(,7,{"kty":"oct","use":"enc","k":"AAAA"}]})", &left_out);

  ASSERT_TRUE(keys.ok()) << MessageOf(keys.status());
  EXPECT_EQ(keys->keys().size(), 1u);
  EXPECT_THAT(left_out, ElementsAre(HasSubstr("key 0"), HasSubstr("key 2"), HasSubstr("key 3")));
}

TEST(KeySetTest, WhatIsNoSetIsRefused) {
  std::string many = R"({"keys":[)";
  for (int i = 0; i < 101; ++i) many += (i == 0 ? "" : ",") + Oct("k" + std::to_string(i));
  const std::pair<std::string, std::string_view> kCases[] = {
      {"", "not JSON"},
      {"<html>", "not JSON"},
      {"[]", "is an object"},
      {R"({"keys":{}})", "not a list"},
      {R"({"keys":[]})", "no key"},
      {R"({"keys":[{"kty":"new"}]})", "no key"},
      {R"({"keys":[],"keys":[]})", "twice"},
      {many + "]}", "at most 100"},
      {std::string(kMaxJwksBytes + 1, ' '), "at most"},
      {R"({"keys":)" + std::string(100, '[') + std::string(100, ']') + "}", "not JSON"},
  };
  for (const auto& [text, why] : kCases) {
    std::vector<std::string> left_out;
    auto keys = Read(text, &left_out);

    ASSERT_FALSE(keys.ok()) << text.substr(0, 60);
    EXPECT_THAT(MessageOf(keys.status()), HasSubstr(std::string(why)));
  }
}

TEST(KeySetTest, TheNameOfTheKeyChooses) {
  std::vector<std::string> left_out;
  std::string other(32, 'o');
  KeySet keys = *Read(R"({"keys":[)" + Oct("a") + "," + Oct("b", other) + "]}", &left_out);

  EXPECT_TRUE(VerifyJws(Signed(R"({"alg":"HS256","kid":"a"})"), keys).ok());
  EXPECT_TRUE(VerifyJws(Signed(R"({"alg":"HS256","kid":"b"})", other), keys).ok());
  EXPECT_FALSE(VerifyJws(Signed(R"({"alg":"HS256","kid":"b"})"), keys).ok());
  EXPECT_TRUE(VerifyJws(Signed(R"({"alg":"HS256"})", other), keys).ok()) << "without a name all are tried";
}

TEST(KeySetTest, ANameThatIsNotKnownMayBeNew) {
  std::vector<std::string> left_out;
  KeySet keys = *Read(Oct("a"), &left_out);
  Status unknown = VerifyJws(Signed(R"({"alg":"HS256","kid":"b"})"), keys).status();
  Status wrong =
      VerifyJws(Signed(R"({"alg":"HS256","kid":"a"})", "another secret of at least 32 bytes"), keys).status();

  EXPECT_TRUE(IsUnknownKey(unknown)) << MessageOf(unknown);
  EXPECT_EQ(unknown.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_FALSE(IsUnknownKey(wrong)) << MessageOf(wrong);

  KeySet with_a_nameless = keys;
  with_a_nameless.Add(*Key::FromSecret("", Algorithm::kHs256, std::string(32, 'n')));
  EXPECT_TRUE(VerifyJws(Signed(R"({"alg":"HS256","kid":"b"})", std::string(32, 'n')), with_a_nameless).ok());
}

TEST(KeySetTest, ATokenBringsNoKeyOfItsOwn) {
  std::vector<std::string> left_out;
  KeySet keys = *Read(Oct("a"), &left_out);
  for (std::string_view more : {R"("jwk":{"kty":"oct","k":"AAAA"})", R"("jku":"https://evil.example.com")",
                                R"("x5u":"https://evil.example.com")"}) {
    Status status = VerifyJws(Signed(fmt::format(R"({{"alg":"HS256","kid":"a",{}}})", more)), keys).status();

    EXPECT_THAT(MessageOf(status), HasSubstr("its own key")) << more;
  }
  EXPECT_THAT(MessageOf(VerifyJws(Signed(R"({"alg":"HS256","kid":7})"), keys).status()), HasSubstr("\"kid\""));
  EXPECT_THAT(MessageOf(VerifyJws(Signed(R"({"alg":"none","alg":"HS256"})"), keys).status()), HasSubstr("twice"));
}

}  // namespace
}  // namespace carillon::auth
