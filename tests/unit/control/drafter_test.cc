#include "control/drafter.h"

#include "tests/support/apps.h"
#include "tests/unit/control/field_cases.h"

namespace carillon::control {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using wire::TopicKind;

constexpr char kSession[] = "003f0123456789abcdef";

const std::string kEvent = R"( event { name: "x" } )";
const std::string kLongUser(257, 'u');
const std::string kLongStream(129, 's');

class DrafterTest : public ::testing::Test {
 protected:
  template <class Request>
  auto Reader() {
    return [this](const Request& request) { return drafter_.Read(request, caller_).status(); };
  }

  template <class Request>
  Draft Read(const std::string& text) {
    auto draft = drafter_.Read(Text<Request>(text), caller_);
    EXPECT_TRUE(draft.ok()) << text << ": " << MessageOf(draft.status());
    return draft.ok() ? *std::move(draft) : Draft{};
  }

  Caller caller_{test::AnybodysKey(), test::ThreeApps()};
  Drafter drafter_{1000};
};

TEST_F(DrafterTest, BroadcastToUserFields) {
  using Request = v1::BroadcastToUserRequest;
  const FieldCase kCases[] = {
      {"user_id: 'alice'" + kEvent, ""},
      {"user_id: 'alice' stream: 'chat'" + kEvent, ""},
      {kEvent, "user_id"},
      {"user_id: ''" + kEvent, "user_id"},
      {"user_id: 'a\\nb'" + kEvent, "user_id"},
      {"user_id: " + Quoted(kLongUser) + kEvent, "user_id"},
      {"user_id: 'alice' stream: 'a b'" + kEvent, "stream"},
      {"user_id: 'alice' stream: 'system'" + kEvent, "stream"},
      {"user_id: 'alice' stream: '@user'" + kEvent, "stream"},
      {"user_id: 'alice' stream: " + Quoted(kLongStream) + kEvent, "stream"},
      {"user_id: 'alice'", "event.name"},
      {"user_id: 'alice' event {}", "event.name"},
  };
  ExpectFields<Request>(Reader<Request>(), kCases);
}

TEST_F(DrafterTest, BroadcastToUserReachesTheUsersTopic) {
  Draft plain = Read<v1::BroadcastToUserRequest>("user_id: 'alice'" + kEvent);
  ASSERT_EQ(plain.topics.size(), 1u);
  EXPECT_EQ(wire::TopicView(plain.topics[0]), (wire::TopicView{0, TopicKind::kUser, "alice"}));
  EXPECT_EQ(plain.frame->terms(), nullptr);
  EXPECT_EQ(plain.frame->envelope().stream(), "@user");

  Draft on_stream = Read<v1::BroadcastToUserRequest>("user_id: 'alice' stream: 'chat'" + kEvent);
  EXPECT_TRUE(on_stream.frame->terms()->stream_subscribers_only);
  EXPECT_EQ(on_stream.frame->envelope().stream(), "chat");

  EXPECT_EQ(
      Read<v1::BroadcastToUserRequest>("user_id: 'alice' stream: 'chat' any_session: true" + kEvent).frame->terms(),
      nullptr);
}

TEST_F(DrafterTest, BroadcastToUsersFields) {
  using Request = v1::BroadcastToUsersRequest;
  std::string thousand;
  for (int i = 0; i < 1000; ++i) thousand += "user_ids: 'u" + std::to_string(i) + "' ";
  const FieldCase kCases[] = {
      {"user_ids: 'a' user_ids: 'b'" + kEvent, ""},
      {thousand + kEvent, ""},
      {kEvent, "user_ids"},
      {thousand + "user_ids: 'one more'" + kEvent, "user_ids"},
      {"user_ids: 'a' user_ids: ''" + kEvent, "user_ids[1]"},
      {"user_ids: 'a' user_ids: 'b' user_ids: 'c\\t'" + kEvent, "user_ids[2]"},
      {"user_ids: 'a' stream: '/'" + kEvent, "stream"},
      {"user_ids: 'a'", "event.name"},
  };
  ExpectFields<Request>(Reader<Request>(), kCases);
}

TEST_F(DrafterTest, UsersAreServedInTheirOrderAndOnce) {
  Draft draft = Read<v1::BroadcastToUsersRequest>("user_ids: 'b' user_ids: 'a' user_ids: 'b'" + kEvent);

  std::vector<std::string> names;
  for (const wire::Topic& topic : draft.topics) names.push_back(topic.name);
  EXPECT_THAT(names, ElementsAre("b", "a"));
}

TEST_F(DrafterTest, BroadcastStreamFields) {
  using Request = v1::BroadcastStreamRequest;
  const FieldCase kCases[] = {
      {"stream: 'chat'" + kEvent, ""},
      {"stream: " + Quoted(std::string(128, 's')) + kEvent, ""},
      {kEvent, "stream"},
      {"stream: 'system'" + kEvent, "stream"},
      {"stream: 'caf\\303\\251'" + kEvent, "stream"},
      {"stream: " + Quoted(kLongStream) + kEvent, "stream"},
      {"stream: 'chat'", "event.name"},
  };
  ExpectFields<Request>(Reader<Request>(), kCases);
}

TEST_F(DrafterTest, BroadcastAllFields) {
  using Request = v1::BroadcastAllRequest;
  const FieldCase kCases[] = {{kEvent, ""},
                              {"stream: 'chat'" + kEvent, ""},
                              {"stream: '@all'" + kEvent, "stream"},
                              {"stream: 'x'", "event.name"}};
  ExpectFields<Request>(Reader<Request>(), kCases);
  EXPECT_EQ(Read<Request>(kEvent).frame->envelope().stream(), "@all");
  EXPECT_EQ(Read<Request>(kEvent).topics[0].kind, TopicKind::kEveryone);
}

TEST_F(DrafterTest, SendToSessionFields) {
  using Request = v1::SendToSessionRequest;
  const std::string id = "session_id: " + Quoted(kSession);
  const FieldCase kCases[] = {
      {id + kEvent, ""},
      {kEvent, "session_id"},
      {"session_id: 'alice'" + kEvent, "session_id"},
      {"session_id: '00400123456789abcdef'" + kEvent, "session_id"},
      {id + " stream: 'a b'" + kEvent, "stream"},
      {id, "event.name"},
  };
  ExpectFields<Request>(Reader<Request>(), kCases);
  EXPECT_EQ(Read<Request>(id + kEvent).frame->envelope().stream(), "@session");
}

TEST_F(DrafterTest, AnItemNeedsATargetAndIsReadAsItsTargetIs) {
  using Request = v1::PublishItem;
  const FieldCase kCases[] = {
      {"broadcast_stream { stream: 'chat' " + kEvent + "}", ""},
      {"broadcast_to_user { user_id: 'a' " + kEvent + "}", ""},
      {"broadcast_to_users { user_ids: 'a' " + kEvent + "}", ""},
      {"broadcast_all { " + kEvent + "}", ""},
      {"send_to_session { session_id: " + Quoted(kSession) + kEvent + "}", ""},
      {"", "target"},
      {"broadcast_stream {}", "stream"},
      {"broadcast_to_user {}", "user_id"},
      {"broadcast_to_users {}", "user_ids"},
      {"broadcast_all {}", "event.name"},
      {"send_to_session {}", "session_id"},
  };
  ExpectFields<Request>(Reader<Request>(), kCases);
}

// --- Apps and the streams of keys ------------------------------------------------------------------------------------

TEST_F(DrafterTest, AMessageGoesToTheAppThatItNames) {
  EXPECT_EQ(Read<v1::BroadcastStreamRequest>("stream: 'chat' app: 'blog'" + kEvent).topics[0].app, 2);
  EXPECT_EQ(Read<v1::BroadcastToUserRequest>("user_id: 'a' app: 'blog'" + kEvent).topics[0].app, 2);
  EXPECT_EQ(Read<v1::BroadcastToUsersRequest>("user_ids: 'a' app: 'blog'" + kEvent).topics[0].app, 2);
  EXPECT_EQ(Read<v1::BroadcastAllRequest>("app: 'blog'" + kEvent).topics[0].app, 2);
  EXPECT_EQ(Read<v1::SendToSessionRequest>("session_id: '003f0123456789abcdef' app: 'shop'" + kEvent).topics[0].app, 1);
  EXPECT_EQ(drafter_.Read(Text<v1::BroadcastAllRequest>("app: 'nowhere'" + kEvent), caller_).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(DrafterTest, AKeyOfSomeStreamsNamesOneOfThem) {
  Caller caller(std::make_shared<const auth::ApiKey>(auth::ApiKey{"chat", {}, {"shop"}, {"chat-*", "news"}}),
                test::ThreeApps());
  auto may = [&](const auto& request) {
    Status status = drafter_.Read(request, caller).status();
    EXPECT_TRUE(status.ok() || absl::IsPermissionDenied(status)) << status;
    if (!status.ok()) {
      EXPECT_THAT(MessageOf(status), HasSubstr("chat-*, news"));
    }
    return status.ok();
  };

  EXPECT_TRUE(may(Text<v1::BroadcastStreamRequest>("stream: 'chat-1'" + kEvent)));
  EXPECT_TRUE(may(Text<v1::BroadcastStreamRequest>("stream: 'news'" + kEvent)));
  EXPECT_FALSE(may(Text<v1::BroadcastStreamRequest>("stream: 'newsroom'" + kEvent)));
  EXPECT_TRUE(may(Text<v1::BroadcastToUserRequest>("user_id: 'a' stream: 'chat-1'" + kEvent)));
  EXPECT_FALSE(may(Text<v1::BroadcastToUserRequest>("user_id: 'a' stream: 'mail'" + kEvent)));
  EXPECT_FALSE(may(Text<v1::BroadcastToUserRequest>("user_id: 'a'" + kEvent)));
  EXPECT_TRUE(may(Text<v1::BroadcastToUsersRequest>("user_ids: 'a' stream: 'chat-1'" + kEvent)));
  EXPECT_FALSE(may(Text<v1::BroadcastToUsersRequest>("user_ids: 'a'" + kEvent)));
  EXPECT_FALSE(may(Text<v1::BroadcastToUserRequest>("user_id: 'a' stream: 'chat-1' any_session: true" + kEvent)));
  EXPECT_FALSE(may(Text<v1::BroadcastAllRequest>("stream: 'chat-1'" + kEvent)));
  EXPECT_FALSE(may(Text<v1::BroadcastAllRequest>(kEvent)));
  EXPECT_FALSE(may(Text<v1::SendToSessionRequest>("session_id: '003f0123456789abcdef' stream: 'chat-1'" + kEvent)));
  EXPECT_FALSE(may(Text<v1::SendToSessionRequest>("session_id: '003f0123456789abcdef'" + kEvent)));
}

}  // namespace
}  // namespace carillon::control
