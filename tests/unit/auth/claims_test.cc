#include "gateway/auth/claims.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace carillon::auth {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

StatusOr<Identity> Read(std::string_view claims, const ClaimRules& rules) {
  return IdentityOf(boost::json::parse({claims.data(), claims.size()}).as_object(), rules);
}

TEST(ClaimsTest, ClaimsAreFoundByNameAndByPath) {
  ClaimRules rules;
  rules.user = "ids.account";
  rules.roles = "realm_access.roles";
  rules.name = "https://example.com/name";

  auto identity = Read(
      R"({"sub":"x","ids":{"account":"a-1"},"realm_access":{"roles":["admin"]},"https://example.com/name":"Alice"})",
      rules);

  ASSERT_TRUE(identity.ok()) << MessageOf(identity.status());
  EXPECT_EQ(identity->user_id, "a-1");
  EXPECT_EQ(identity->name, "Alice");
  EXPECT_THAT(identity->roles, ElementsAre("admin"));
}

// A name with a dot in it is a name first.
TEST(ClaimsTest, ANameGoesBeforeAPath) {
  ClaimRules rules;
  rules.user = "a.b";

  EXPECT_EQ(Read(R"({"a.b":"name","a":{"b":"path"}})", rules)->user_id, "name");
}

TEST(ClaimsTest, InfoIsAnyJsonOfAKibibyte) {
  ClaimRules rules;
  EXPECT_EQ(Read(R"({"sub":"a","info":{}})", rules)->info, "");
  rules.info = "profile.public";
  EXPECT_EQ(Read(R"({"sub":"a"})", rules)->info, "");
  EXPECT_EQ(Read(R"({"sub":"a","profile":{"public":{"avatar":[1,"b"]}}})", rules)->info, R"({"avatar":[1,"b"]})");
  rules.info = "info";
  EXPECT_EQ(Read(R"({"sub":"a","info":null})", rules)->info, "null");
  EXPECT_EQ(Read(R"({"sub":"a","info":")" + std::string(1022, 'x') + R"("})", rules)->info.size(), 1024u);
  EXPECT_THAT(MessageOf(Read(R"({"sub":"a","info":")" + std::string(1023, 'x') + R"("})", rules).status()),
              HasSubstr("\"info\" has more than 1024 bytes"));
}

TEST(ClaimsTest, NumbersAreIdsToo) {
  EXPECT_EQ(Read(R"({"sub":17})", {})->user_id, "17");
  EXPECT_FALSE(Read(R"({"sub":1.5})", {}).ok());
  EXPECT_FALSE(Read(R"({"sub":true})", {}).ok());
  EXPECT_FALSE(Read(R"({"sub":null})", {}).ok());
  EXPECT_FALSE(Read(R"({"sub":{}})", {}).ok());
}

TEST(ClaimsTest, LabelsComeFromTheirClaims) {
  ClaimRules rules;
  rules.labels = {{"workspace", "org.id"}, {"vip", "vip"}, {"absent", "absent"}};

  auto identity =
      Read(R"({"sub":"a","org":{"id":7},"vip":true,"labels":{"workspace":"forged","device":"phone"}})", rules);

  ASSERT_TRUE(identity.ok()) << MessageOf(identity.status());
  EXPECT_THAT(identity->labels, ElementsAre(Pair("device", "phone"), Pair("vip", "true"), Pair("workspace", "7")));
}

TEST(ClaimsTest, ALabelThatIsNoTextIsRefused) {
  ClaimRules rules;
  rules.labels = {{"workspace", "org"}};

  EXPECT_THAT(MessageOf(Read(R"({"sub":"a","org":["x"]})", rules).status()), HasSubstr("\"org\""));
  EXPECT_FALSE(Read(R"({"sub":"a","org":")" + std::string(257, 'x') + "\"}", rules).ok());
}

TEST(ClaimsTest, PatternsNameStreamsToSubscribe) {
  ClaimRules rules;
  rules.labels = {{"workspace", "ws"}};
  rules.subscribe = {"user-{user}", "workspace-{workspace}"};

  EXPECT_THAT(Read(R"({"sub":"a","ws":"w1","streams":["chat"]})", rules)->streams,
              ElementsAre("chat", "user-a", "workspace-w1"));
  EXPECT_THAT(Read(R"({"sub":"a"})", rules)->streams, ElementsAre("user-a"));
}

TEST(ClaimsTest, NamesAreFoldedButForThoseThatTwoUsersWouldShare) {
  ClaimRules rules;
  rules.stream = "only";
  rules.labels = {{"team", "team"}};
  rules.subscribe = {"u-{user}", "t-{team}"};
  constexpr char kClaims[] = R"({"sub":"Ann","team":"red","streams":["Chat","OLD"],"only":"Held"})";
  EXPECT_THAT(Read(kClaims, rules)->streams, ElementsAre("Chat", "OLD", "u-Ann", "t-red"));
  EXPECT_EQ(Read(kClaims, rules)->only_stream, "Held");

  rules.fold_names = true;
  EXPECT_THAT(Read(kClaims, rules)->streams, ElementsAre("chat", "old", "t-red"));
  EXPECT_EQ(Read(kClaims, rules)->only_stream, "held");
}

}  // namespace
}  // namespace carillon::auth
