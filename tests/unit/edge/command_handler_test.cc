#include "gateway/edge/command_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <map>
#include <thread>

#include "tests/support/apps.h"
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

  // From the next command on.
  void SetRules(std::vector<auth::StreamAccess> rules) {
    auth::App app = test::DefaultApp();
    app.catalogue = auth::Catalogue(std::move(rules));
    apps_.Set(test::AppsOf(std::move(app)));
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
  auth::LiveApps apps_{test::AppsOf(test::DefaultApp())};
  hooks::Backends backends_;
  CommandHandler handler_{apps_, backends_};
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

TEST_F(CommandHandlerTest, WhoHasLeftIsNotLetInByALateAnswer) {
  hooks::BackendRules rules;
  rules.name = "main";
  rules.address = "127.0.0.1:1";  // where nobody answers, and everything is let through then
  rules.allow_on_failure = true;
  backends_.Set({rules});
  auth::StreamAccess asked;
  asked.pattern = "asked-*";
  asked.subscribe_hook = "main";
  SetRules({asked});
  Begin();
  auto answered = [this](size_t questions) {
    auto deadline = std::chrono::steady_clock::now() + test::kPatience;
    auto state = [this] { return backends_.states().front(); };
    while ((state().unanswered < questions || state().pending > 0) && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    node_.Settle();
  };
  session_->With([&](hub::Session& session) {
    handler_.Handle(session, state_, wire::Opcode::kText, R"({"action":"subscribe","streams":["asked-0"]})");
  });
  answered(1);
  ASSERT_EQ(Listeners("asked-0"), 1u);

  session_->With([&](hub::Session& session) {
    handler_.Handle(session, state_, wire::Opcode::kText, R"({"action":"subscribe","streams":["asked-1"]})");
    session.BeginClosing();
  });
  answered(2);

  EXPECT_TRUE(session_->With([](hub::Session& session) { return session.subscriptions().empty(); }));
  EXPECT_EQ(Listeners("asked-1"), 0u);
}

TEST_F(CommandHandlerTest, MessagesThatComeTooFastAreDroppedAndTheClientIsToldOnceASecond) {
  FakeSession::Options options;
  options.settings.messages_per_second = 1;
  Begin(std::move(options));
  auto began = std::chrono::steady_clock::now();
  std::map<std::string, int> seen;
  json::value told;
  for (int i = 0; i < 200; ++i) {
    json::value reply = Say(R"({"action":"ping"})");
    ++seen[Kind(reply)];
    if (Kind(reply) == "error:rate_limited") told = reply;
  }
  auto seconds = std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - began).count();

  EXPECT_GE(seen["pong"], 2);
  EXPECT_LE(seen["pong"], 2 + seconds);
  EXPECT_GE(seen["error:rate_limited"], 1);
  EXPECT_LE(seen["error:rate_limited"], 1 + seconds);
  EXPECT_EQ(seen["pong"] + seen["error:rate_limited"] + seen["nothing"], 200);
  const json::object& data = told.at("data").as_object();
  EXPECT_TRUE(data.at("temporary").as_bool());
  EXPECT_GE(data.at("retry_after_ms").to_number<int>(), 1);
  EXPECT_LE(data.at("retry_after_ms").to_number<int>(), 1000);
  EXPECT_EQ(node_.node().shard(0).stats().rate_limited.value(), 200u - static_cast<uint64_t>(seen["pong"]));
}

TEST_F(CommandHandlerTest, WhoGoesOnTooFastIsClosed) {
  FakeSession::Options options;
  options.settings.messages_per_second = 1;
  Begin(std::move(options));
  for (int i = 0; i < 50; ++i) Say(R"({"action":"ping"})");
  ASSERT_FALSE(session_->closed().has_value());

  for (int i = 0; i < 50 && !session_->closed().has_value(); ++i) {
    state_.too_fast_since -= std::chrono::seconds(10);  // each time: where this thread stands still, it begins anew
    Say(R"({"action":"ping"})");
  }

  EXPECT_THAT(session_->closed(), Optional(4102));
}

TEST_F(CommandHandlerTest, AMomentOfPeaceBeginsAnew) {
  FakeSession::Options options;
  options.settings.messages_per_second = 1;
  Begin(std::move(options));
  for (int i = 0; i < 50; ++i) Say(R"({"action":"ping"})");

  state_.too_fast_since -= std::chrono::seconds(20);
  state_.dropped_at -= std::chrono::seconds(2);
  for (int i = 0; i < 50; ++i) Say(R"({"action":"ping"})");

  EXPECT_FALSE(session_->closed().has_value());
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

// --- Rules of streams ------------------------------------------------------------------------------------------------

TEST_F(CommandHandlerTest, StreamsAreJudgedByTheirNameUnlessARuleSaysOtherwise) {
  Begin();
  auto outcome = [this](const std::string& stream) {
    json::value reply = Say(R"({"action":"subscribe","streams":[")" + stream + R"("]})");
    const json::array& refused = reply.at("data").at("refused").as_array();
    return refused.empty() ? "taken" : std::string(refused[0].at("code").as_string());
  };
  EXPECT_EQ(outcome("chat"), "taken");
  EXPECT_EQ(outcome("private-x"), "forbidden");
  EXPECT_EQ(outcome("presence-x"), "forbidden");
  EXPECT_EQ(outcome("system"), "bad_stream");
  EXPECT_EQ(outcome("a b"), "bad_stream");
  EXPECT_EQ(outcome(""), "bad_stream");

  auth::StreamAccess open{.pattern = "private-open", .subscribe = {auth::Access::Who::kAnyone, {}, {}}};
  auth::StreamAccess closed{.pattern = "chat", .subscribe = {auth::Access::Who::kNobody, {}, {}}};
  auth::StreamAccess reserved{.pattern = "ssh", .reserved = true};
  SetRules({open, closed, reserved});
  EXPECT_EQ(outcome("private-open"), "taken");
  EXPECT_EQ(outcome("private-x"), "forbidden");
  EXPECT_EQ(outcome("ssh"), "stream_reserved");
}

TEST_F(CommandHandlerTest, WhoTriesTenDoorsIsClosed) {
  Begin();
  for (int i = 0; i < 9; ++i) Say(R"({"action":"subscribe","streams":["private-x","private-y"]})");
  EXPECT_FALSE(session_->closed().has_value());
  Say(R"({"action":"publish","stream":"chat","event":"note"})");
  EXPECT_THAT(session_->closed(), Optional(4003));
}

TEST_F(CommandHandlerTest, WithoutARuleClientsPublishNothing) {
  Begin({.user = "alice"});
  EXPECT_EQ(Kind(Say(R"({"action":"publish","stream":"a","event":"note","data":1})")), "error:forbidden");
  EXPECT_EQ(Kind(Say(R"({"action":"publish","event":"note"})")), "error:unavailable");
  EXPECT_EQ(Kind(Say(R"({"action":"publish","stream":"a b","event":"note"})")), "error:bad_stream");
}

TEST_F(CommandHandlerTest, AClientsMessageSaysWhoseItIs) {
  SetRules({{.pattern = "chat", .publish = {auth::Access::Who::kAnyone, {}, {}}}});
  Begin({.user = "alice"});
  FakeSession other(node_, 0, {.streams = {"chat"}});

  json::value reply = Say(R"({"action":"publish","stream":"chat","event":"note","data":{"a":1},"id":5})");
  EXPECT_EQ(Kind(reply), "published");
  EXPECT_EQ(Kind(Say(R"({"action":"publish","stream":"chat","event":"quiet"})")), "nothing");
  node_.Settle();

  ASSERT_THAT(other.Heard(), ::testing::ElementsAre("note", "quiet"));
  json::value heard = json::parse(test::SplitFrames(other.Written()).front());
  EXPECT_EQ(heard.at("data"), json::parse(R"({"a":1})"));
  EXPECT_EQ(heard.at("meta").at("from"), "alice");
  EXPECT_EQ(heard.at("meta").at("id"), reply.at("data").at("message_id"));
  EXPECT_EQ(node_.node().shard(0).stats().published.value(), 2u);
}

TEST_F(CommandHandlerTest, PublishingHasItsEventsSizesAndRates) {
  auth::StreamAccess rule{.pattern = "chat", .publish = {auth::Access::Who::kAnyone, {}, {}}};
  rule.events = {{"typing.*", {5, std::chrono::hours(1)}}, {"note", {}}, {"presence.*", {}}};
  rule.max_payload_bytes = 4;
  SetRules({rule});
  Begin();
  auto publish = [this](const std::string& event, const std::string& data = "1") {
    return Kind(Say(R"({"action":"publish","stream":"chat","id":1,"event":")" + event + R"(","data":)" + data + "}"));
  };
  EXPECT_EQ(publish("note"), "published");
  EXPECT_EQ(publish("other"), "error:forbidden");
  EXPECT_EQ(publish("presence.join"), "error:forbidden");
  EXPECT_EQ(publish("note", "1234"), "published");
  EXPECT_EQ(publish("note", "12345"), "error:too_big");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(publish(i % 2 == 0 ? "typing.start" : "typing.stop"), "published");
  EXPECT_EQ(publish("typing.start"), "error:rate_limited");
  EXPECT_EQ(publish("note"), "published");
  json::value told = Say(R"({"action":"publish","stream":"chat","event":"typing.start"})");
  EXPECT_TRUE(told.at("data").at("temporary").as_bool());
  EXPECT_GT(told.at("data").at("retry_after_ms").to_number<int>(), 3'500'000);
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
