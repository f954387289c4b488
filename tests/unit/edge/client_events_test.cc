#include "gateway/edge/client_events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace carillon::edge {
namespace {

using auth::EventAction;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ClientEventsTest : public ::testing::Test {
 protected:
  ClientEventsTest() {
    alice_.user_id = "alice";
    alice_.labels = {{"team", "red"}, {"odd", "a,b"}};
  }

  // What an event with these data stands for.
  Meaning Mean(const auth::EventRule& rule, const std::string& data, bool identified = true) {
    const auth::Identity* identity = identified ? &alice_ : nullptr;
    dialect::Publish event{"7", "", "the.event", data};
    if (auto refusal = JudgeEvent(rule, identity, event)) return *std::move(refusal);
    return MeaningOf(rule, app_, identity, event);
  }
  std::string Refusal(const auth::EventRule& rule, const std::string& data, bool identified = true) {
    Meaning meaning = Mean(rule, data, identified);
    auto* refusal = std::get_if<dialect::Refusal>(&meaning);
    return refusal == nullptr ? "" : std::string(refusal->code);
  }
  template <class Kind>
  Kind Command(const auth::EventRule& rule, const std::string& data) {
    return std::get<Kind>(std::get<dialect::Command>(Mean(rule, data)));
  }
  // The stream that a template names; or the refusal's code.
  std::string Stream(const std::string& pattern, const std::string& data) {
    auth::EventRule rule{.event = "*", .action = EventAction::kSubscribe, .stream = pattern};
    std::string refusal = Refusal(rule, data);
    return refusal.empty() ? Command<dialect::Subscribe>(rule, data).streams.at(0) : "error:" + refusal;
  }

  auth::App app_;
  auth::Identity alice_;
};

TEST_F(ClientEventsTest, BackendsGetWhatHasNoRule) {
  auth::ClientEvents rules({{.event = "a"}, {.event = "b.*", .action = EventAction::kRefuse}});
  EXPECT_EQ(rules.Find("b.").action, EventAction::kRefuse);
  EXPECT_EQ(rules.Find("b").event, "*");
  EXPECT_EQ(rules.Find("ab").action, EventAction::kFeed);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(Mean(rules.Find("c"), "null")));
  EXPECT_EQ(Refusal(rules.Find("b.c"), "null"), "forbidden");
}

TEST_F(ClientEventsTest, WithoutAUserOnlyWhereARuleSaysSo) {
  EXPECT_EQ(Refusal({}, "1", false), "forbidden");
  EXPECT_EQ(Refusal({.anonymous = true}, "1", false), "");
}

TEST_F(ClientEventsTest, ThePayloadIsBounded) {
  EXPECT_EQ(Refusal({.max_payload_bytes = 4}, "1234"), "");
  EXPECT_EQ(Refusal({.max_payload_bytes = 4}, "12345"), "too_big");
}

TEST_F(ClientEventsTest, AStreamIsNamedByTheTokenAndByTheClient) {
  const std::pair<const char*, const char*> kData[] = {
      {R"({"room":"x"})", "ws-x"},
      {R"({"room":7})", "ws-7"},
      {R"({"room":-7})", "ws--7"},
      {R"({"room":""})", "error:bad_data"},
      {R"({"room":null})", "error:bad_data"},
      {R"({"room":1.5})", "error:bad_data"},
      {R"({"room":{}})", "error:bad_data"},
      {"{}", "error:bad_data"},
      {"null", "error:bad_data"},
      {R"(["room"])", "error:bad_data"},
      {R"({"room":"a,b"})", "ws-a,b"},  // judged as a name later
  };
  for (const auto& [data, expected] : kData) EXPECT_EQ(Stream("ws-{data.room}", data), expected) << data;
  EXPECT_EQ(Stream("{user}-{team}", "null"), "alice-red");
  EXPECT_EQ(Stream("{team}-{data.room}", R"({"room":"x","team":"blue"})"), "red-x");
  EXPECT_EQ(Stream("{nothing}", R"({"nothing":"x"})"), "error:forbidden");
  EXPECT_EQ(Stream("{odd}", "null"), "error:forbidden");
  EXPECT_EQ(Stream("plain", "null"), "plain");
}

TEST_F(ClientEventsTest, NamesAreFoldedWhereTheAppDoes) {
  app_.fold_names = true;
  EXPECT_EQ(Stream("ws-{data.room}", R"({"room":"X"})"), "ws-x");
}

TEST_F(ClientEventsTest, EachStandsForItsCommand) {
  auto published = Command<dialect::Publish>({.action = EventAction::kPublish, .stream = "s"}, "[1]");
  EXPECT_EQ(published.id, "7");
  EXPECT_EQ(published.stream, "s");
  EXPECT_EQ(published.event, "the.event");
  EXPECT_EQ(published.json, "[1]");
  EXPECT_FALSE(published.to_sender);

  auto left = Command<dialect::Unsubscribe>({.action = EventAction::kUnsubscribe, .stream = "s"}, "null");
  EXPECT_EQ(left.id, "7");
  EXPECT_THAT(left.streams, ElementsAre("s"));

  auto mood = Command<dialect::SetMood>({.action = EventAction::kPresence}, R"({"status":"away","text":"tea"})");
  EXPECT_EQ(mood.id, "7");
  EXPECT_THAT(mood.stream, IsEmpty());
  EXPECT_EQ(mood.mood, (wire::Mood{wire::Availability::kAway, "tea"}));
  EXPECT_EQ(Refusal({.action = EventAction::kPresence}, R"({"status":7})"), "bad_status");
  EXPECT_EQ(Refusal({.action = EventAction::kPresence}, R"({"text":7})"), "bad_text");
}

TEST_F(ClientEventsTest, SinceWhen) {
  auth::EventRule rule{.action = EventAction::kSync};
  struct Case {
    const char* data;
    const char* message;
    std::optional<int64_t> time_ms;
  };
  const Case kCases[] = {
      {"{}", "", std::nullopt},
      {"null", "", std::nullopt},
      {R"({"lastEventId":"a-1"})", "a-1", std::nullopt},
      {R"({"lastEventId":null,"since":null})", "", std::nullopt},
      {R"({"since":1700000000123})", "", 1700000000123},
      {R"({"since":1.7e12})", "", 1700000000000},
      {R"({"since":0})", "", 0},
      {R"({"lastEventId":"a-1","since":"2023-11-14T22:13:20.5Z"})", "a-1", 1700000000500},
      {R"({"since":"2023-11-14T23:13:20+01:00"})", "", 1700000000000},
      {R"({"since":"1600-01-01T00:00:00Z"})", "", 0},
  };
  for (const Case& each : kCases) {
    auto sync = Command<dialect::Sync>(rule, each.data);
    EXPECT_EQ(sync.id, "7");
    EXPECT_EQ(sync.last_message, each.message) << each.data;
    EXPECT_EQ(sync.time_ms, each.time_ms) << each.data;
  }
  for (const char* data :
       {R"({"lastEventId":7})", R"({"since":""})", R"({"since":"now"})", R"({"since":-1})", R"({"since":1.5})",
        R"({"since":1e300})", R"({"since":true})", R"({"since":9007199254740993})"}) {
    EXPECT_EQ(Refusal(rule, data), "bad_data") << data;
  }
}

}  // namespace
}  // namespace carillon::edge
