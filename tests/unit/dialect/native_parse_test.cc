#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/dialect/native.h"
#include "gateway/wire/json_check.h"
#include "tests/support/seed.h"

namespace carillon::dialect {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Command Parse(std::string_view text) {
  return Native().Parse(wire::Opcode::kText, text);
}

template <class Kind>
Kind ParseAs(std::string_view text) {
  Command command = Parse(text);
  const auto* nonsense = std::get_if<Nonsense>(&command);
  EXPECT_TRUE(std::holds_alternative<Kind>(command)) << text << (nonsense == nullptr ? "" : ": " + nonsense->message);
  return std::holds_alternative<Kind>(command) ? std::get<Kind>(std::move(command)) : Kind{};
}

TEST(NativeParseTest, SubscribeNamesStreams) {
  auto command = ParseAs<Subscribe>(R"({"action":"subscribe","streams":["chat","private-x"],"id":7})");

  EXPECT_THAT(command.streams, ElementsAre("chat", "private-x"));
  EXPECT_EQ(command.id, "7");
}

TEST(NativeParseTest, OneStreamNeedsNoList) {
  EXPECT_THAT(ParseAs<Subscribe>(R"({"action":"subscribe","streams":"chat"})").streams, ElementsAre("chat"));
}

TEST(NativeParseTest, AnEmptyListIsAnAnswerableQuestion) {
  EXPECT_THAT(ParseAs<Subscribe>(R"({"action":"subscribe","streams":[]})").streams, IsEmpty());
}

TEST(NativeParseTest, BadStreamNamesAreLeftToBeAnsweredOneByOne) {
  EXPECT_THAT(ParseAs<Subscribe>(R"({"action":"subscribe","streams":["a b","","ok"]})").streams,
              ElementsAre("a b", "", "ok"));
}

TEST(NativeParseTest, UnsubscribeNamesStreams) {
  auto command = ParseAs<Unsubscribe>(R"({"id":"u1","streams":["chat"],"action":"unsubscribe"})");

  EXPECT_THAT(command.streams, ElementsAre("chat"));
  EXPECT_EQ(command.id, R"("u1")");
}

TEST(NativeParseTest, PingMayCarryAnything) {
  EXPECT_EQ(ParseAs<Ping>(R"({"action":"ping"})").echo, "");
  EXPECT_EQ(ParseAs<Ping>(R"({"action":"ping","data":null})").echo, "null");
  EXPECT_EQ(ParseAs<Ping>(R"({"action":"ping","data": {"t": 1} })").echo, R"({"t":1})");
}

TEST(NativeParseTest, AuthCarriesAToken) {
  auto command = ParseAs<Auth>(R"({"action":"auth","token":"a.b.c","id":1})");

  EXPECT_EQ(command.token, "a.b.c");
  EXPECT_EQ(command.id, "1");
}

TEST(NativeParseTest, PublishNamesAStreamAndAnEvent) {
  auto command = ParseAs<Publish>(
      R"({"action":"publish","id":3,"stream":"chat","event":"note","data":{"a":[1,9007199254740993]}})");

  EXPECT_EQ(command.id, "3");
  EXPECT_EQ(command.stream, "chat");
  EXPECT_EQ(command.event, "note");
  EXPECT_EQ(command.json, R"({"a":[1,9007199254740993]})");
  EXPECT_TRUE(command.to_sender);
}

TEST(NativeParseTest, PublishNeedsAnEventOnly) {
  auto command = ParseAs<Publish>(R"({"action":"publish","event":"note","echo":false})");

  EXPECT_EQ(command.stream, "");
  EXPECT_EQ(command.json, "null");
  EXPECT_FALSE(command.to_sender);
}

TEST(NativeParseTest, WhatCannotBePublished) {
  const std::pair<std::string, std::string_view> kCases[] = {
      {R"({"action":"publish","stream":"a"})", "bad_event"},
      {R"({"action":"publish","stream":"a","event":""})", "bad_event"},
      {R"({"action":"publish","stream":"a","event":7})", "bad_event"},
      {R"({"action":"publish","stream":"a","event":"a\u0007b"})", "bad_event"},
      {R"({"action":"publish","stream":"a","event":"a\u007fb"})", "bad_event"},
      {R"({"action":"publish","stream":"a","event":")" + std::string(129, 'e') + R"("})", "bad_event"},
      {R"({"action":"publish","stream":7,"event":"e"})", "bad_stream"},
      {R"({"action":"publish","stream":"a","event":"e","echo":1})", "bad_data"},
      {R"({"action":"publish","stream":"a","event":"e","data":1e999})", "bad_data"},
  };
  for (const auto& [text, code] : kCases) EXPECT_EQ(ParseAs<Nonsense>(text).code, code) << text;
}

TEST(NativeParseTest, MembersAreAskedForInPages) {
  auto command = ParseAs<ListMembers>(R"({"action":"members","id":1,"stream":"presence-a","after":"ann","limit":5})");
  EXPECT_EQ(command.id, "1");
  EXPECT_EQ(command.stream, "presence-a");
  EXPECT_EQ(command.after, "ann");
  EXPECT_EQ(command.limit, 5u);

  EXPECT_EQ(ParseAs<ListMembers>(R"({"action":"members","stream":"a","after":null,"limit":null})").limit, 100u);
  EXPECT_EQ(ParseAs<ListMembers>(R"({"action":"members","stream":"a","limit":9007199254740992})").limit, 100u);
}

TEST(NativeParseTest, UsersSayHowTheyAre) {
  auto command =
      ParseAs<SetMood>(R"({"action":"presence","id":2,"stream":"presence-a","status":"busy","text":"soon"})");
  EXPECT_EQ(command.id, "2");
  EXPECT_EQ(command.stream, "presence-a");
  EXPECT_EQ(command.mood, (wire::Mood{wire::Availability::kBusy, "soon"}));

  EXPECT_EQ(ParseAs<SetMood>(R"({"action":"presence","status":"away"})").mood.availability, wire::Availability::kAway);
  EXPECT_EQ(ParseAs<SetMood>(R"({"action":"presence","text":null})").mood, wire::Mood());
}

TEST(NativeParseTest, WhatIsNoMood) {
  const std::pair<std::string, std::string_view> kCases[] = {
      {R"({"action":"members","stream":1})", "bad_stream"},
      {R"({"action":"members","stream":"a","after":1})", "bad_after"},
      {R"({"action":"members","stream":"a","limit":0})", "bad_limit"},
      {R"({"action":"members","stream":"a","limit":-1})", "bad_limit"},
      {R"({"action":"members","stream":"a","limit":1.5})", "bad_limit"},
      {R"({"action":"presence","status":"Online"})", "bad_status"},
      {R"({"action":"presence","status":null})", "bad_status"},
      {R"({"action":"presence","text":")" + std::string(257, 't') + R"("})", "bad_text"},
      {R"({"action":"presence","text":{}})", "bad_text"},
      {R"({"action":"presence","stream":[]})", "bad_stream"},
  };
  for (const auto& [text, code] : kCases) EXPECT_EQ(ParseAs<Nonsense>(text).code, code) << text;
}

TEST(NativeParseTest, TokensAreForStreams) {
  auto command = ParseAs<Subscribe>(R"({"action":"subscribe","streams":["a"],"tokens":{"a":"x.y.z"}})");
  EXPECT_EQ(command.tokens.at("a"), "x.y.z");
  for (const char* bad : {R"({"action":"subscribe","streams":["a"],"tokens":["x"]})",
                          R"({"action":"subscribe","streams":["a"],"tokens":{"a":1}})"}) {
    EXPECT_EQ(ParseAs<Nonsense>(bad).code, "bad_token") << bad;
  }
}

TEST(NativeParseTest, UnknownFieldsAreForNewerGateways) {
  auto command =
      ParseAs<Subscribe>(R"({"action":"subscribe","streams":["a"],"recover":{"a":{"epoch":"x","offset":4}}})");

  EXPECT_THAT(command.streams, ElementsAre("a"));
}

struct IdCase {
  std::string_view id;
  std::string_view echoed;
};

TEST(NativeParseTest, IdsAreKeptAsTheyCame) {
  const std::string longest = '"' + std::string(62, 'x') + '"';
  const IdCase kCases[] = {
      {"0", "0"},
      {"-12", "-12"},
      {"9007199254740993", "9007199254740993"},
      {"18446744073709551615", "18446744073709551615"},
      {"\"\"", "\"\""},
      {"\"a\\\"b\"", "\"a\\\"b\""},
      {"\"\xc3\xbc\"", "\"\xc3\xbc\""},
      {"null", ""},
      {longest, longest},
  };
  for (const IdCase& c : kCases) {
    auto command = ParseAs<Ping>(R"({"action":"ping","id":)" + std::string(c.id) + "}");

    EXPECT_EQ(command.id, c.echoed);
  }
}

struct BadCase {
  std::string text;
  std::string_view code;
  std::string_view id = "";
};

std::string Streams(int count) {
  std::string list = "[";
  for (int i = 0; i < count; ++i) list.append(i == 0 ? "\"s\"" : ",\"s\"");
  return list + "]";
}

TEST(NativeParseTest, NonsenseIsNamedByTheTable) {
  const BadCase kCases[] = {
      {"", "not_json"},
      {"hello", "not_json"},
      {"{\"action\":\"ping\"", "not_json"},
      {"{\"action\":\"ping\"} x", "not_json"},
      {std::string(33, '[') + std::string(33, ']'), "not_json"},
      {"{\"action\":\"ping\",\"data\":" + std::string(32, '[') + std::string(32, ']') + "}", "not_json"},
      {"\"ping\"", "not_object"},
      {"[]", "not_object"},
      {"null", "not_object"},
      {"12", "not_object"},
      {"{}", "bad_action"},
      {R"({"id":1})", "bad_action", "1"},
      {R"({"action":1})", "bad_action"},
      {R"({"action":null,"id":"x"})", "bad_action", "\"x\""},
      {R"({"action":["ping"]})", "bad_action"},
      {R"({"action":""})", "unknown_action"},
      {R"({"action":"Ping"})", "unknown_action"},
      {R"({"action":"dance","id":4})", "unknown_action", "4"},
      {R"({"action":"ping","id":true})", "bad_id"},
      {R"({"action":"ping","id":[1]})", "bad_id"},
      {R"({"action":"ping","id":{"a":1}})", "bad_id"},
      {R"({"action":"ping","id":")" + std::string(63, 'x') + "\"}", "bad_id"},
      {R"({"action":"subscribe","id":1})", "bad_streams", "1"},
      {R"({"action":"subscribe","streams":null})", "bad_streams"},
      {R"({"action":"subscribe","streams":7})", "bad_streams"},
      {R"({"action":"subscribe","streams":{"chat":1}})", "bad_streams"},
      {R"({"action":"subscribe","streams":["a",1]})", "bad_streams"},
      {R"({"action":"unsubscribe","streams":[["a"]]})", "bad_streams"},
      {R"({"action":"subscribe","streams":)" + Streams(1001) + "}", "bad_streams"},
      {R"({"action":"ping","data":")" + std::string(1023, 'x') + "\"}", "too_big"},
      {R"({"action":"auth"})", "bad_token"},
      {R"({"action":"auth","token":1,"id":2})", "bad_token", "2"},
  };
  for (const BadCase& c : kCases) {
    auto nonsense = ParseAs<Nonsense>(c.text);

    EXPECT_EQ(nonsense.code, c.code) << c.text.substr(0, 100);
    EXPECT_EQ(nonsense.id, c.id) << c.text.substr(0, 100);
    EXPECT_FALSE(nonsense.message.empty());
  }
}

TEST(NativeParseTest, BoundsHoldTheLargestThatTheyName) {
  EXPECT_EQ(ParseAs<Subscribe>(R"({"action":"subscribe","streams":)" + Streams(1000) + "}").streams.size(), 1000u);
  EXPECT_EQ(ParseAs<Ping>(R"({"action":"ping","data":")" + std::string(1022, 'x') + "\"}").echo.size(), 1024u);
  EXPECT_NE(ParseAs<Ping>("{\"action\":\"ping\",\"data\":" + std::string(31, '[') + std::string(31, ']') + "}").echo,
            "");
}

// What is echoed goes into a reply: a number that no double holds must not become the word Infinity there.
TEST(NativeParseTest, NumbersBeyondADoubleAreStillEchoedAsJson) {
  for (std::string_view number : {"1e400", "-1e400", "1e-400", "123456789012345678901234567890"}) {
    for (std::string_view key : {"data", "id"}) {
      Command command = Parse(R"({"action":"ping",")" + std::string(key) + "\":" + std::string(number) + "}");

      const auto* ping = std::get_if<Ping>(&command);
      if (ping == nullptr) continue;  // refusing is fine, too
      EXPECT_TRUE(ping->echo.empty() || wire::CheckJson(ping->echo).ok()) << ping->echo;
      EXPECT_TRUE(ping->id.empty() || wire::CheckJson(ping->id).ok()) << ping->id;
    }
  }
}

TEST(NativeParseTest, TheLastOfTwoActionsOrTheFirstButNeverACrash) {
  Command command = Parse(R"({"action":"ping","action":"auth","token":"x"})");

  EXPECT_FALSE(std::holds_alternative<Refused>(command));
}

TEST(NativeParseTest, OnlyTextIsSpoken) {
  Command command = Native().Parse(wire::Opcode::kBinary, R"({"action":"ping"})");

  const auto* refused = std::get_if<Refused>(&command);
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->code, wire::CloseCode::kUnsupportedData);
}

TEST(NativeParseTest, AHugeMessageIsStillJudged) {
  std::string text = R"({"action":"auth","token":")" + std::string(1 << 20, 'x') + "\"}";

  EXPECT_EQ(ParseAs<Auth>(text).token.size(), size_t{1} << 20);
}

TEST(NativeParseTest, WhateverComesIsACommandWithAnEchoableId) {
  test::Random random;
  const std::string kSeeds[] = {
      R"({"action":"subscribe","streams":["chat","private-x"],"id":"q1","recover":{"chat":{"offset":41}}})",
      R"({"action":"ping","data":{"a":[1,2.5e-3,"\u00e9\ud83d\udd14"]},"id":18446744073709551615})",
      R"({"action":"auth","token":"aaa.bbb.ccc","id":null})",
      R"({"action":"publish","stream":"chat","event":"note","data":[null,1.5e300],"id":-0.0,"echo":false})",
  };
  for (int i = 0; i < 20000; ++i) {
    std::string text = random.OneIn(8) ? random.Bytes(random.Below(80)) : random.Mutated(kSeeds[random.Below(4)]);

    Command command = Parse(text);

    std::visit(
        [&](const auto& kind) {
          if constexpr (requires { kind.id; }) {
            ASSERT_TRUE(kind.id.empty() || wire::CheckJson(kind.id).ok()) << text;
            ASSERT_LE(kind.id.size(), 64u);
          }
          if constexpr (requires { kind.json; }) {
            ASSERT_TRUE(wire::CheckJson(kind.json).ok()) << text;
          }
          if constexpr (requires { kind.echo; }) {
            ASSERT_TRUE(kind.echo.empty() || wire::CheckJson(kind.echo).ok()) << text;
          }
        },
        command);
  }
}

}  // namespace
}  // namespace carillon::dialect
