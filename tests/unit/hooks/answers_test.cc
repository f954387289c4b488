#include "gateway/hooks/answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "carillon/v1/hooks.pb.h"

namespace carillon::hooks {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const auto kNow = std::chrono::system_clock::time_point(seconds(1'800'000'000));

class AuthenticatedTest : public ::testing::Test {
 protected:
  AuthenticatedTest() { user().set_user_id("ann"); }

  v1::HookUser& user() { return *response_.mutable_user(); }
  StatusOr<Authenticated> Read() { return ReadAuthenticated(response_.SerializeAsString(), rules_, kNow); }
  auth::Identity Identity() {
    auto read = Read();
    EXPECT_TRUE(read.ok()) << read.status();
    return read.ok() ? *std::get<auth::IdentityPtr>(*read) : auth::Identity();
  }
  std::string Problem() {
    auto read = Read();
    EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument);
    return MessageOf(read.status());
  }

  v1::AuthenticateResponse response_;
  IdentityRules rules_;
};

TEST_F(AuthenticatedTest, TakesWhatTheBackendSays) {
  user().set_name("Ann");
  user().set_info_json(R"({"avatar":"a.png"})");
  user().add_roles("admin");
  user().add_streams("News");
  (*user().mutable_labels())["team"] = "Red";
  user().set_token_id("sess-7");
  user().mutable_expires_at()->set_seconds(1'800'000'060);
  rules_.claims.subscribe = {"user-{user}", "team-{team}"};
  auth::Identity identity = Identity();
  EXPECT_EQ(identity.user_id, "ann");
  EXPECT_EQ(identity.name, "Ann");
  EXPECT_EQ(identity.info, R"({"avatar":"a.png"})");
  EXPECT_THAT(identity.roles, ElementsAre("admin"));
  EXPECT_THAT(identity.streams, ElementsAre("News", "user-ann", "team-Red"));
  EXPECT_EQ(identity.labels.at("team"), "Red");
  EXPECT_EQ(identity.token_id, "sess-7");
  EXPECT_EQ(identity.issued_at, kNow);
  EXPECT_EQ(identity.expires_at, kNow + seconds(60));
  EXPECT_EQ(identity.valid_until, identity.expires_at);
}

TEST_F(AuthenticatedTest, NamesOfStreamsAreFoldedWhereTheAppDoes) {
  user().add_streams("News");
  rules_.claims.fold_names = true;
  EXPECT_THAT(Identity().streams, ElementsAre("news"));
}

TEST_F(AuthenticatedTest, WithoutAnEndItIsGoodForTheLifetime) {
  rules_.lifetime = hours(2);
  EXPECT_EQ(Identity().expires_at, kNow + hours(2));
}

TEST_F(AuthenticatedTest, WhatHasEndedIsARefusal) {
  user().mutable_expires_at()->set_seconds(1'800'000'000);
  auto read = Read();
  ASSERT_TRUE(read.ok());
  EXPECT_THAT(std::get<Refusal>(*read).message, HasSubstr("ended"));
}

TEST_F(AuthenticatedTest, ARefusalsMessageIsCutAtACharacter) {
  response_.mutable_refusal()->set_message(std::string(199, 'a') + "ü and more");
  auto read = Read();
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(std::get<Refusal>(*read).message, std::string(199, 'a'));
}

TEST_F(AuthenticatedTest, WhatIsWrongIsNoAnswer) {
  response_.Clear();
  EXPECT_THAT(Problem(), HasSubstr("outcome"));
  user().set_user_id("");
  EXPECT_THAT(Problem(), HasSubstr("user id"));
  user().set_user_id(std::string(257, 'a'));
  EXPECT_THAT(Problem(), HasSubstr("user id"));
  user().set_user_id("ann");
  user().set_info_json("{");
  EXPECT_THAT(Problem(), HasSubstr("info_json"));
  user().set_info_json("\"" + std::string(1100, 'a') + "\"");
  EXPECT_THAT(Problem(), HasSubstr("1024"));
  user().clear_info_json();
  for (int i = 0; i < 101; ++i) user().add_roles("r");
  EXPECT_THAT(Problem(), HasSubstr("roles"));
  user().clear_roles();
  user().mutable_expires_at()->set_seconds(-1);
  EXPECT_THAT(Problem(), HasSubstr("expires_at"));
  user().mutable_expires_at()->set_seconds(INT64_MAX);
  EXPECT_THAT(Problem(), HasSubstr("expires_at"));
  EXPECT_EQ(ReadAuthenticated("garbage", rules_, kNow).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SubscribeVerdictTest, NothingIsARefusal) {
  auto read = ReadSubscribeVerdict("");
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(std::holds_alternative<Refusal>(*read));
  v1::AuthorizeSubscribeResponse response;
  response.set_allowed(true);
  read = ReadSubscribeVerdict(response.SerializeAsString());
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(std::holds_alternative<std::monostate>(*read));
  EXPECT_FALSE(ReadSubscribeVerdict("\xff\xff").ok());
}

TEST(PublishVerdictTest, WhatIsWrongIsNoAnswer) {
  EXPECT_FALSE(ReadPublishVerdict("", 10).ok());
  const std::pair<const char*, const char*> kWrong[] = {
      {"", "{"}, {"", R"("12345678901")"}, {"presence.join", ""}, {"a\nb", ""}};
  for (const auto& [event, json] : kWrong) {
    v1::AuthorizePublishResponse response;
    response.mutable_accept()->set_event(event);
    response.mutable_accept()->set_json(json);
    EXPECT_FALSE(ReadPublishVerdict(response.SerializeAsString(), 10).ok()) << event << json;
  }
  v1::AuthorizePublishResponse response;
  response.mutable_accept()->set_json("{\"a\":1}");
  auto read = ReadPublishVerdict(response.SerializeAsString(), 10);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(std::get<Accept>(*read).json, "{\"a\":1}");
}

TEST(EventVerdictTest, AnAnswerIsJsonOrNull) {
  EXPECT_FALSE(ReadEventVerdict("", 10).ok());
  v1::OnClientEventResponse response;
  response.mutable_answer();
  auto read = ReadEventVerdict(response.SerializeAsString(), 10);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(std::get<Answer>(*read).json, "null");
  response.mutable_answer()->set_json("nul");
  EXPECT_FALSE(ReadEventVerdict(response.SerializeAsString(), 10).ok());
  response.mutable_answer()->set_json("[1,2,3,4,5,6]");
  EXPECT_FALSE(ReadEventVerdict(response.SerializeAsString(), 10).ok());
  response.mutable_refusal()->set_message("no");
  read = ReadEventVerdict(response.SerializeAsString(), 10);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(std::get<Refusal>(*read).message, "no");
}

}  // namespace
}  // namespace carillon::hooks
