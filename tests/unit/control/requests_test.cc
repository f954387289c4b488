#include "control/requests.h"

#include "tests/support/apps.h"
#include "tests/unit/control/field_cases.h"

namespace carillon::control {
namespace {

using wire::TopicKind;

constexpr char kSession[] = "003f0123456789abcdef";

const Caller kCaller(test::AnybodysKey(), test::ThreeApps());

TEST(RequestsTest, KickFields) {
  using Request = v1::KickRequest;
  const FieldCase kCases[] = {
      {"session_id: " + Quoted(kSession), ""},
      {"user_id: 'alice'", ""},
      {"stream: 'chat'", ""},
      {"user_id: 'alice' code: 1000", ""},
      {"user_id: 'alice' code: 1008", ""},
      {"user_id: 'alice' code: 3000", ""},
      {"user_id: 'alice' code: 4999 reason: " + Quoted(std::string(123, 'r')), ""},
      {"", "target"},
      {"reason: 'x'", "target"},
      {"session_id: ''", "session_id"},
      {"user_id: ''", "user_id"},
      {"stream: ''", "stream"},
      {"user_id: 'alice' code: 1", "code"},
      {"user_id: 'alice' code: 1001", "code"},
      {"user_id: 'alice' code: 2999", "code"},
      {"user_id: 'alice' code: 5000", "code"},
      {"user_id: 'alice' code: 4294967295", "code"},
      {"user_id: 'alice' reason: " + Quoted(std::string(124, 'r')), "reason"},
  };
  ExpectFields<Request>([](const Request& request) { return ReadKick(request, kCaller).status(); }, kCases);
}

TEST(RequestsTest, AKickSaysKickedUnlessToldOtherwise) {
  auto plain = ReadKick(Text<v1::KickRequest>("user_id: 'alice'"), kCaller);
  EXPECT_EQ(plain->code, wire::CloseCode::kKicked);
  EXPECT_EQ(plain->reason, "kicked");
  EXPECT_EQ(wire::TopicView(plain->topic), (wire::TopicView{0, TopicKind::kUser, "alice"}));

  auto chosen = ReadKick(Text<v1::KickRequest>("stream: 'chat' code: 4100 reason: 'later'"), kCaller);
  EXPECT_EQ(static_cast<int>(chosen->code), 4100);
  EXPECT_EQ(chosen->reason, "later");
}

TEST(RequestsTest, SubscribersFields) {
  using Request = v1::SubscribersRequest;
  const FieldCase kCases[] = {
      {"stream: 'chat'", ""},
      {"user_id: 'alice' page_size: 1000", ""},
      {"stream: 'chat' page_token: " + Quoted(PageToken({3, 7})), ""},
      {"", "target"},
      {"page_size: 10", "target"},
      {"stream: ''", "stream"},
      {"user_id: ''", "user_id"},
      {"stream: 'chat' page_size: -1", "page_size"},
      {"stream: 'chat' page_size: -2147483648", "page_size"},
      {"stream: 'chat' page_token: 'x'", "page_token"},
      {"stream: 'chat' page_token: '!!!!'", "page_token"},
      {"stream: 'chat' page_token: " + Quoted(kSession), "page_token"},  // an id is no token
  };
  ExpectFields<Request>([](const Request& request) { return ReadSubscribers(request, kCaller).status(); }, kCases);
}

TEST(RequestsTest, PagesHaveAHundredUnlessToldOtherwiseAndAThousandAtMost) {
  auto size = [](int asked) {
    return ReadSubscribers(Text<v1::SubscribersRequest>("stream: 'chat' page_size: " + std::to_string(asked)), kCaller)
        ->page_size;
  };
  EXPECT_EQ(size(0), 100u);
  EXPECT_EQ(size(1), 1u);
  EXPECT_EQ(size(1000), 1000u);
  EXPECT_EQ(size(1001), 1000u);
  EXPECT_EQ(size(INT32_MAX), 1000u);
}

TEST(RequestsTest, APageTokenContinuesAfterItsSession) {
  for (SessionId id : {SessionId{0, 0}, SessionId{63, ~0ULL}, SessionId{5, 0x0123456789abcdef}}) {
    auto order =
        ReadSubscribers(Text<v1::SubscribersRequest>("stream: 'chat' page_token: " + Quoted(PageToken(id))), kCaller);

    EXPECT_EQ(order->after, id);
  }
  EXPECT_EQ(ReadSubscribers(Text<v1::SubscribersRequest>("stream: 'chat'"), kCaller)->after, SessionId{});
}

TEST(RequestsTest, CountFields) {
  using Request = v1::CountSubscribersRequest;
  const FieldCase kCases[] = {
      {"", ""}, {"stream: 'chat'", ""}, {"user_id: 'a'", ""}, {"stream: ''", "stream"}, {"user_id: ''", "user_id"}};
  ExpectFields<Request>([](const Request& request) { return ReadCount(request, kCaller).status(); }, kCases);
  EXPECT_EQ(ReadCount(Request(), kCaller)->kind, TopicKind::kEveryone);
}

TEST(RequestsTest, EachNamesItsAppAndAnotherAppsKeyIsRefused) {
  Caller shop(std::make_shared<const auth::ApiKey>(auth::ApiKey{"shop", {}, {"shop"}, {}}), test::ThreeApps());
  auto now = std::chrono::system_clock::now();
  EXPECT_EQ(ReadKick(Text<v1::KickRequest>("user_id: 'a'"), shop)->topic.app, 1);
  EXPECT_EQ(ReadKick(Text<v1::KickRequest>("session_id: '003f0123456789abcdef'"), shop)->topic.app, 1);
  EXPECT_EQ(ReadSubscribers(Text<v1::SubscribersRequest>("stream: 'a'"), shop)->topic.app, 1);
  EXPECT_EQ(ReadCount(Text<v1::CountSubscribersRequest>(""), shop)->app, 1);
  EXPECT_EQ(ReadListMessages(Text<v1::ListMessagesRequest>("stream: 'a'"), shop)->topic.app, 1);
  EXPECT_EQ(ReadClearMessages(Text<v1::ClearMessagesRequest>("user_id: 'a'"), shop)->app, 1);
  EXPECT_EQ(ReadRevokeTokens(Text<v1::RevokeTokensRequest>("user_id: 'a'"), shop, now)->app->name, "shop");
  EXPECT_EQ(ReadBlockUser(Text<v1::BlockUserRequest>("user_id: 'a'"), shop)->app->name, "shop");
  EXPECT_EQ((*ReadUnblockUser(Text<v1::UnblockUserRequest>("user_id: 'a'"), shop))->name, "shop");
  EXPECT_EQ(ReadListBlockedUsers(Text<v1::ListBlockedUsersRequest>(""), shop)->app->name, "shop");

  const Status refused[] = {
      ReadKick(Text<v1::KickRequest>("user_id: 'a' app: 'blog'"), shop).status(),
      ReadSubscribers(Text<v1::SubscribersRequest>("stream: 'a' app: 'default'"), shop).status(),
      ReadCount(Text<v1::CountSubscribersRequest>("app: 'blog'"), shop).status(),
      ReadListMessages(Text<v1::ListMessagesRequest>("stream: 'a' app: 'blog'"), shop).status(),
      ReadClearMessages(Text<v1::ClearMessagesRequest>("user_id: 'a' app: 'nowhere'"), shop).status(),
      ReadRevokeTokens(Text<v1::RevokeTokensRequest>("user_id: 'a' app: 'blog'"), shop, now).status(),
      ReadBlockUser(Text<v1::BlockUserRequest>("user_id: 'a' app: 'blog'"), shop).status(),
      ReadUnblockUser(Text<v1::UnblockUserRequest>("user_id: 'a' app: 'blog'"), shop).status(),
      ReadListBlockedUsers(Text<v1::ListBlockedUsersRequest>("app: 'blog'"), shop).status()};
  for (const Status& status : refused) EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
}

TEST(RequestsTest, AKeyOfSomeStreamsAsksForThemAlone) {
  Caller chat(std::make_shared<const auth::ApiKey>(auth::ApiKey{"chat", {}, {"*"}, {"chat-*"}}), test::ThreeApps());
  auto now = std::chrono::system_clock::now();
  EXPECT_TRUE(ReadKick(Text<v1::KickRequest>("stream: 'chat-1'"), chat).ok());
  EXPECT_TRUE(ReadSubscribers(Text<v1::SubscribersRequest>("stream: 'chat-1'"), chat).ok());
  EXPECT_TRUE(ReadListMessages(Text<v1::ListMessagesRequest>("stream: 'chat-1'"), chat).ok());

  const Status refused[] = {ReadKick(Text<v1::KickRequest>("user_id: 'a'"), chat).status(),
                            ReadKick(Text<v1::KickRequest>("stream: 'news'"), chat).status(),
                            ReadSubscribers(Text<v1::SubscribersRequest>("user_id: 'a'"), chat).status(),
                            ReadCount(Text<v1::CountSubscribersRequest>(""), chat).status(),
                            ReadListMessages(Text<v1::ListMessagesRequest>("user_id: 'a'"), chat).status(),
                            ReadClearMessages(Text<v1::ClearMessagesRequest>("stream: 'news'"), chat).status(),
                            ReadRevokeTokens(Text<v1::RevokeTokensRequest>("user_id: 'a'"), chat, now).status(),
                            ReadBlockUser(Text<v1::BlockUserRequest>("user_id: 'a'"), chat).status(),
                            ReadUnblockUser(Text<v1::UnblockUserRequest>("user_id: 'a'"), chat).status(),
                            ReadListBlockedUsers(Text<v1::ListBlockedUsersRequest>(""), chat).status()};
  for (const Status& status : refused) EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
}

}  // namespace
}  // namespace carillon::control
