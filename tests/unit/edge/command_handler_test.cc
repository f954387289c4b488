#include "gateway/edge/command_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/support/fake_session.h"
#include "tests/support/make_token.h"
#include "tests/support/test_node.h"

namespace carillon::edge {
namespace {

namespace json = boost::json;
using test::FakeSession;
using test::MakeFrame;
using test::StreamTopic;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

// Tokens are judged by the real clock here; these outlive the test.
std::string Token(std::string_view more = "") {
  return test::MakeToken(R"({"sub":"alice","name":"Alice","exp":4102444800)" + std::string(more) + "}");
}

class CommandHandlerTest : public ::testing::Test {
 protected:
  // A session that has been welcomed, or owes its token.
  void Begin(FakeSession::Options options = {}, SessionState state = {}) {
    state_ = std::move(state);
    options.admitted = false;
    session_ = std::make_unique<FakeSession>(node_, 0, std::move(options));
    if (!state_.owes_auth) {
      session_->With([this](hub::Session& session) { handler_.Begin(session, state_); });
    }
  }

  // Says something and returns the one answer to it; null where there was none.
  json::value Say(std::string_view text, wire::Opcode opcode = wire::Opcode::kText) {
    size_t before = test::SplitFrames(session_->Written()).size();
    session_->With([&](hub::Session& session) { handler_.Handle(session, state_, opcode, text); });
    auto frames = test::SplitFrames(session_->Written());
    EXPECT_LE(frames.size(), before + 1);
    return frames.size() > before ? json::parse(frames.back()) : json::value();
  }

  json::value LastHeard() { return json::parse(test::SplitFrames(session_->Written()).back()); }

  // "error:CODE", or the event.
  static std::string Kind(const json::value& reply) {
    if (reply.is_null()) return "nothing";
    std::string event(reply.at("event").as_string());
    return event == "error" ? "error:" + std::string(reply.at("data").at("code").as_string()) : event;
  }

  uint32_t Listeners(std::string_view stream) { return node_.node().Find(StreamTopic(stream)).sessions; }

  test::TestNode node_;
  CommandHandler handler_{std::make_shared<auth::Verifier>(test::SecretRules())};
  SessionState state_;
  std::unique_ptr<FakeSession> session_;
};

TEST_F(CommandHandlerTest, WelcomeTakesTheStreamsAskedForAndRefusesTheRest) {
  Begin({}, {.owes_auth = false, .streams = {"chat", "private-x", "a b", "system"}});

  json::value welcome = LastHeard();

  EXPECT_EQ(welcome.at("event").as_string(), "welcome");
  const json::value& data = welcome.at("data");
  EXPECT_EQ(data.at("session").as_string(), session_->id().ToString());
  EXPECT_TRUE(data.at("user").is_null());
  EXPECT_EQ(data.at("streams"), json::value({"chat"}));
  ASSERT_EQ(data.at("refused").as_array().size(), 3u);
  EXPECT_EQ(data.at("refused").at(0).at("code").as_string(), "forbidden");
  EXPECT_EQ(data.at("refused").at(1).at("code").as_string(), "bad_stream");
  EXPECT_EQ(Listeners("chat"), 1u);
  EXPECT_EQ(Listeners("private-x"), 0u);
}

TEST_F(CommandHandlerTest, SubscribeIsAnsweredStreamByStream) {
  Begin({.user = "alice"});

  json::value reply = Say(R"({"action":"subscribe","streams":["a","a b","private-x"],"id":7})");

  EXPECT_EQ(Kind(reply), "subscribed");
  EXPECT_EQ(reply.at("id").as_int64(), 7);
  EXPECT_EQ(reply.at("data").at("streams"), json::value({"a", "private-x"}));
  EXPECT_EQ(reply.at("data").at("refused").at(0).at("stream").as_string(), "a b");
  EXPECT_EQ(Listeners("a"), 1u);
  EXPECT_EQ(Listeners("private-x"), 1u);
}

TEST_F(CommandHandlerTest, SubscribingAgainIsIdempotent) {
  Begin();
  Say(R"({"action":"subscribe","streams":["a"]})");

  json::value reply = Say(R"({"action":"subscribe","streams":["a","a"]})");

  EXPECT_EQ(Kind(reply), "subscribed");
  EXPECT_EQ(Listeners("a"), 1u);
}

TEST_F(CommandHandlerTest, SubscriptionsAreBoundedAndHavingOneCostsNothingMore) {
  FakeSession::Options options;
  options.settings.max_subscriptions = 2;
  Begin(options);
  Say(R"({"action":"subscribe","streams":["a","b"]})");

  json::value reply = Say(R"({"action":"subscribe","streams":["a","c"]})");

  EXPECT_EQ(reply.at("data").at("streams"), json::value({"a"}));
  EXPECT_EQ(reply.at("data").at("refused").at(0).at("code").as_string(), "limit");
  Say(R"({"action":"unsubscribe","streams":["a"]})");
  EXPECT_EQ(Say(R"({"action":"subscribe","streams":["c"]})").at("data").at("streams"), json::value({"c"}));
}

TEST_F(CommandHandlerTest, FiltersAreBoundedForTheWholeSession) {
  Begin();
  auto subscribe = [&](const std::string& stream) {
    return Kind(Say(R"({"action":"subscribe","streams":[")" + stream + R"("],"filter":{"events":[")" +
                    std::string(4000, 'x') + "\"]}}"));
  };
  for (int i = 0; i < 16; ++i) EXPECT_EQ(subscribe("s" + std::to_string(i)), "subscribed");

  EXPECT_EQ(subscribe("more"), "error:limit");
  EXPECT_EQ(Listeners("more"), 0u);
  Say(R"({"action":"unsubscribe","streams":["s3"]})");
  EXPECT_EQ(subscribe("more"), "subscribed");
}

TEST_F(CommandHandlerTest, ALongNameIsCutInItsRefusal) {
  Begin();

  json::value reply = Say(R"({"action":"subscribe","streams":[")" + std::string(5000, 'x') + "\"]}");

  EXPECT_EQ(reply.at("data").at("refused").at(0).at("stream").as_string().size(), 128u);
}

TEST_F(CommandHandlerTest, AfterUnsubscribeNothingIsHeard) {
  Begin();
  Say(R"({"action":"subscribe","streams":["a"]})");

  json::value reply = Say(R"({"action":"unsubscribe","streams":["a","never"],"id":"u"})");

  EXPECT_EQ(Kind(reply), "unsubscribed");
  EXPECT_EQ(reply.at("data").at("streams"), json::value({"a", "never"}));
  EXPECT_EQ(Listeners("a"), 0u);
}

TEST_F(CommandHandlerTest, UnsubscribeCannotLeaveWhatIsNoStream) {
  Begin({.user = "alice"});

  Say(R"({"action":"unsubscribe","streams":["alice","","@user","@all"]})");

  EXPECT_EQ(node_.node().Find(test::UserTopic("alice")).sessions, 1u);
  EXPECT_EQ(node_.node().Find(test::Everyone()).sessions, 1u);
}

TEST_F(CommandHandlerTest, PingIsEchoed) {
  Begin();

  json::value reply = Say(R"({"action":"ping","data":{"t":1},"id":9})");

  EXPECT_EQ(Kind(reply), "pong");
  EXPECT_EQ(reply.at("data").at("echo"), json::parse(R"({"t":1})"));
  EXPECT_EQ(reply.at("id").as_int64(), 9);
}

TEST_F(CommandHandlerTest, PublishIsPolitelyRefused) {
  Begin();

  EXPECT_EQ(Kind(Say(R"({"action":"publish","stream":"a","data":1})")), "error:publish_unsupported");
}

TEST_F(CommandHandlerTest, NonsenseIsAnsweredCountedAndForgiven) {
  Begin();

  for (int i = 0; i < 50; ++i) EXPECT_EQ(Kind(Say("{")), "error:not_json");
  EXPECT_EQ(Kind(Say(R"({"action":"dance","id":1})")), "error:unknown_action");

  EXPECT_EQ(session_->closed(), std::nullopt);
  EXPECT_EQ(node_.node().shard(0).stats().bad_messages.value(), 51u);
  EXPECT_EQ(node_.node().shard(0).stats().commands.value(), 51u);
}

TEST_F(CommandHandlerTest, BinaryEndsTheSession) {
  Begin();

  EXPECT_EQ(Kind(Say("x", wire::Opcode::kBinary)), "nothing");

  EXPECT_THAT(session_->closed(), Optional(1003));
}

TEST_F(CommandHandlerTest, EchoSendsBackTextAndBinaryAsTheyCame) {
  FakeSession::Options options;
  options.settings.dialect = &dialect::EchoBack();
  session_ = std::make_unique<FakeSession>(node_, 0, options);
  std::string expected;

  for (auto [opcode, payload] : {std::pair(wire::Opcode::kText, "{"), std::pair(wire::Opcode::kBinary, "\xff"),
                                 std::pair(wire::Opcode::kText, "")}) {
    session_->With([&](hub::Session& session) { handler_.Handle(session, state_, opcode, payload); });
    wire::AppendFrame(expected, opcode, payload);
  }

  EXPECT_EQ(session_->Written(), expected);
}

TEST_F(CommandHandlerTest, BeforeItsTokenASessionMayOnlyAuthenticate) {
  Begin({}, {.owes_auth = true, .streams = {"chat"}});

  EXPECT_EQ(Kind(Say(R"({"action":"subscribe","streams":["a"],"id":1})")), "error:auth_required");
  EXPECT_EQ(Kind(Say(R"({"action":"unsubscribe","streams":["a"]})")), "error:auth_required");
  EXPECT_EQ(Listeners("a"), 0u);
  EXPECT_EQ(Listeners("chat"), 0u);
  EXPECT_EQ(node_.node().Find(test::Everyone()).sessions, 0u);
}

TEST_F(CommandHandlerTest, TheFirstTokenBringsTheWelcome) {
  Begin({}, {.owes_auth = true, .streams = {"chat", "private-x"}});

  json::value reply =
      Say(R"({"action":"auth","token":")" + Token(R"(,"streams":["news","chat"],"roles":["r"])") + "\"}");

  EXPECT_EQ(Kind(reply), "welcome");
  EXPECT_EQ(reply.at("data").at("user"), json::parse(R"({"id":"alice","name":"Alice","roles":["r"]})"));
  EXPECT_FALSE(state_.owes_auth);
  EXPECT_EQ(Listeners("chat"), 1u);
  EXPECT_EQ(Listeners("private-x"), 1u);
  EXPECT_EQ(Listeners("news"), 1u);
  EXPECT_EQ(node_.node().Find(test::UserTopic("alice")).sessions, 1u);
}

TEST_F(CommandHandlerTest, AFirstTokenThatIsBadEndsTheSession) {
  Begin({}, {.owes_auth = true});

  Say(R"({"action":"auth","token":"x.y.z"})");

  EXPECT_THAT(session_->closed(), Optional(4001));
  EXPECT_THAT(session_->reason(), HasSubstr("token"));
}

TEST_F(CommandHandlerTest, AnAnonymousSessionMayBecomeAUser) {
  Begin();

  json::value reply = Say(R"({"action":"auth","token":")" + Token(R"(,"streams":["private-a"])") + R"(","id":3})");

  EXPECT_EQ(Kind(reply), "authenticated");
  EXPECT_EQ(reply.at("id").as_int64(), 3);
  EXPECT_EQ(reply.at("data").at("streams"), json::value({"private-a"}));
}

TEST_F(CommandHandlerTest, ANewTokenOfTheSameUserTakesTheOldOnesPlace) {
  Begin();
  Say(R"({"action":"auth","token":")" + Token() + "\"}");

  json::value same = Say(R"({"action":"auth","token":")" + Token(R"(,"roles":["admin"])") + "\"}");
  std::string another = test::MakeToken(R"({"sub":"mallory","exp":4102444800})");

  EXPECT_EQ(Kind(same), "authenticated");
  EXPECT_EQ(same.at("data").at("user").at("roles"), json::value({"admin"}));
  EXPECT_EQ(Kind(Say(R"({"action":"auth","token":")" + another + "\"}")), "error:already_authenticated");
}

TEST_F(CommandHandlerTest, AnAnonymousSessionSurvivesABadToken) {
  Begin();

  EXPECT_EQ(Kind(Say(R"({"action":"auth","token":"x.y.z"})")), "error:unauthorized");

  EXPECT_EQ(session_->closed(), std::nullopt);
}

}  // namespace
}  // namespace carillon::edge
