#include "control/requests.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

namespace carillon::control {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using wire::TopicKind;

constexpr char kSession[] = "003f0123456789abcdef";

template <class Request>
Request Text(const std::string& text) {
  Request request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request;
}

struct FieldCase {
  std::string request;  // in text format
  std::string field;    // "": good
};

// Reads each and compares the field that was found wrong.
template <class Request, class Read, size_t N>
void ExpectFields(const Read& read, const FieldCase (&cases)[N]) {
  for (const FieldCase& c : cases) {
    Status status = read(Text<Request>(c.request));

    ASSERT_EQ(status.ok(), c.field.empty()) << c.request << ": " << MessageOf(status);
    if (status.ok()) continue;
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.request;
    EXPECT_EQ(FieldOf(status), c.field) << c.request << ": " << MessageOf(status);
    EXPECT_THAT(MessageOf(status), HasSubstr(c.field)) << c.request;
  }
}

std::string Quoted(const std::string& text) {
  return '"' + text + '"';
}

const std::string kEvent = R"( event { name: "x" } )";
const std::string kLongUser(257, 'u');
const std::string kLongStream(129, 's');

class RequestsTest : public ::testing::Test {
 protected:
  template <class Request>
  auto Reader() {
    return [this](const Request& request) { return drafter_.Read(request).status(); };
  }

  template <class Request>
  Draft Read(const std::string& text) {
    auto draft = drafter_.Read(Text<Request>(text));
    EXPECT_TRUE(draft.ok()) << text << ": " << MessageOf(draft.status());
    return draft.ok() ? *std::move(draft) : Draft{};
  }

  Drafter drafter_{1000};
};

TEST_F(RequestsTest, BroadcastToUserFields) {
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

TEST_F(RequestsTest, BroadcastToUserReachesTheUsersTopic) {
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

TEST_F(RequestsTest, BroadcastToUsersFields) {
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

TEST_F(RequestsTest, UsersAreServedInTheirOrderAndOnce) {
  Draft draft = Read<v1::BroadcastToUsersRequest>("user_ids: 'b' user_ids: 'a' user_ids: 'b'" + kEvent);

  std::vector<std::string> names;
  for (const wire::Topic& topic : draft.topics) names.push_back(topic.name);
  EXPECT_THAT(names, ElementsAre("b", "a"));
}

TEST_F(RequestsTest, BroadcastStreamFields) {
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

TEST_F(RequestsTest, BroadcastAllFields) {
  using Request = v1::BroadcastAllRequest;
  const FieldCase kCases[] = {{kEvent, ""},
                              {"stream: 'chat'" + kEvent, ""},
                              {"stream: '@all'" + kEvent, "stream"},
                              {"stream: 'x'", "event.name"}};
  ExpectFields<Request>(Reader<Request>(), kCases);
  EXPECT_EQ(Read<Request>(kEvent).frame->envelope().stream(), "@all");
  EXPECT_EQ(Read<Request>(kEvent).topics[0].kind, TopicKind::kEveryone);
}

TEST_F(RequestsTest, SendToSessionFields) {
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

TEST_F(RequestsTest, AnItemNeedsATargetAndIsReadAsItsTargetIs) {
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

TEST_F(RequestsTest, KickFields) {
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
  ExpectFields<Request>([](const Request& request) { return ReadKick(request).status(); }, kCases);
}

TEST_F(RequestsTest, AKickSaysKickedUnlessToldOtherwise) {
  auto plain = ReadKick(Text<v1::KickRequest>("user_id: 'alice'"));
  EXPECT_EQ(plain->code, wire::CloseCode::kKicked);
  EXPECT_EQ(plain->reason, "kicked");
  EXPECT_EQ(wire::TopicView(plain->topic), (wire::TopicView{0, TopicKind::kUser, "alice"}));

  auto chosen = ReadKick(Text<v1::KickRequest>("stream: 'chat' code: 4100 reason: 'later'"));
  EXPECT_EQ(static_cast<int>(chosen->code), 4100);
  EXPECT_EQ(chosen->reason, "later");
}

TEST_F(RequestsTest, SubscribersFields) {
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
  ExpectFields<Request>([](const Request& request) { return ReadSubscribers(request).status(); }, kCases);
}

TEST_F(RequestsTest, PagesHaveAHundredUnlessToldOtherwiseAndAThousandAtMost) {
  auto size = [](int asked) {
    return ReadSubscribers(Text<v1::SubscribersRequest>("stream: 'chat' page_size: " + std::to_string(asked)))
        ->page_size;
  };
  EXPECT_EQ(size(0), 100u);
  EXPECT_EQ(size(1), 1u);
  EXPECT_EQ(size(1000), 1000u);
  EXPECT_EQ(size(1001), 1000u);
  EXPECT_EQ(size(INT32_MAX), 1000u);
}

TEST_F(RequestsTest, APageTokenContinuesAfterItsSession) {
  for (SessionId id : {SessionId{0, 0}, SessionId{63, ~0ULL}, SessionId{5, 0x0123456789abcdef}}) {
    auto order = ReadSubscribers(Text<v1::SubscribersRequest>("stream: 'chat' page_token: " + Quoted(PageToken(id))));

    EXPECT_EQ(order->after, id);
  }
  EXPECT_EQ(ReadSubscribers(Text<v1::SubscribersRequest>("stream: 'chat'"))->after, SessionId{});
}

TEST_F(RequestsTest, CountFields) {
  using Request = v1::CountSubscribersRequest;
  const FieldCase kCases[] = {
      {"", ""}, {"stream: 'chat'", ""}, {"user_id: 'a'", ""}, {"stream: ''", "stream"}, {"user_id: ''", "user_id"}};
  ExpectFields<Request>([](const Request& request) { return ReadCount(request).status(); }, kCases);
  EXPECT_EQ(ReadCount(Request())->kind, TopicKind::kEveryone);
}

}  // namespace
}  // namespace carillon::control
