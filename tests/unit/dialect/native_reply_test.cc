#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "gateway/dialect/native.h"
#include "gateway/wire/json_check.h"
#include "tests/support/golden.h"
#include "tests/support/seed.h"

namespace carillon::dialect {
namespace {

namespace json = boost::json;

// The text of a single final text frame.
std::string TextOf(std::string_view frame) {
  EXPECT_EQ(static_cast<uint8_t>(frame[0]), 0x81);
  size_t length = static_cast<uint8_t>(frame[1]);
  size_t header = length < 126 ? 2 : length == 126 ? 4 : 10;
  if (header > 2) length = 0;
  for (size_t i = 2; i < header; ++i) length = length << 8 | static_cast<uint8_t>(frame[i]);
  EXPECT_EQ(frame.size(), header + length);
  return std::string(frame.substr(header));
}

std::string Reply(const Reply& reply) {
  std::string frame;
  Native().AppendReply(frame, reply);
  return TextOf(frame);
}

TEST(NativeReplyTest, WelcomeTellsWhatAClientMustKnow) {
  const std::vector<std::string> roles = {"admin", "staff"};
  Welcome welcome;
  welcome.session = "003f0123456789abcdef";
  welcome.user = UserInfo{"alice", "Alice \"A\"", roles};
  welcome.streams = {"chat"};
  welcome.refused = {{"private-x", {"forbidden", "no"}}};
  welcome.logs = {{"chat", {"e1", 41}, 44, Recovered::kOk}, {"@user", {}, 0, Recovered::kDisabled}};
  welcome.resume = "003f0123456789abcdef";
  welcome.ping_interval_ms = 54000;
  welcome.peer_timeout_ms = 60000;
  welcome.max_message_bytes = 65536;
  welcome.max_subscriptions = 1000;
  welcome.server_time_ms = 1700000000042;

  EXPECT_EQ(Reply(welcome),
            R"({"stream":"system","event":"welcome","data":{"session":"003f0123456789abcdef",)"
            R"("user":{"id":"alice","name":"Alice \"A\"","roles":["admin","staff"]},"streams":["chat"],)"
            R"("refused":[{"stream":"private-x","code":"forbidden","message":"no","temporary":false}],)"
            R"("logs":{"chat":{"epoch":"e1","offset":41,"top":44,"recovered":true,"reason":"ok"},)"
            R"("@user":{"recovered":false,"reason":"disabled"}},"resume":"003f0123456789abcdef",)"
            R"("heartbeat":{"interval_ms":54000,"timeout_ms":60000},)"
            R"("limits":{"max_message_bytes":65536,"max_subscriptions":1000},"server_time":1700000000042},"meta":{}})");
}

TEST(NativeReplyTest, APublishedMessageHasAnIdAndPerhapsAPosition) {
  EXPECT_EQ(Reply(PublishDone{"7", "chat", "m-1", wire::Position{"e1", 42}}),
            R"({"stream":"system","event":"published","data":{"stream":"chat","message_id":"m-1","epoch":"e1",)"
            R"("offset":42},"meta":{},"id":7})");
  EXPECT_EQ(Reply(PublishDone{"7", "chat", "m-1", {}}),
            R"({"stream":"system","event":"published","data":{"stream":"chat","message_id":"m-1"},"meta":{},"id":7})");
}

TEST(NativeReplyTest, MembersSayWhereToGoOn) {
  wire::Member member;
  member.user_id = "ann";
  EXPECT_EQ(Reply(Members{"7", "presence-a", 2, false, {member}, "ann"}),
            R"({"stream":"system","event":"members","data":{"stream":"presence-a","count":2,"counts_only":false,)"
            R"("members":[{"user":{"id":"ann","name":""},"status":"online","text":"","since":0}],"next":"ann"},)"
            R"("meta":{},"id":7})");
  EXPECT_EQ(Reply(Members{"", "presence-a", 500, true, {}, ""}),
            R"({"stream":"system","event":"members","data":{"stream":"presence-a","count":500,"counts_only":true,)"
            R"("members":[]},"meta":{}})");
  EXPECT_EQ(Reply(MoodSet{"7", {"presence-a"}}),
            R"({"stream":"system","event":"presence","data":{"streams":["presence-a"]},"meta":{},"id":7})");
}

TEST(NativeReplyTest, AnAnonymousSessionHasNoUser) {
  json::value reply = json::parse(Reply(Welcome{}));

  EXPECT_TRUE(reply.at("data").at("user").is_null());
  EXPECT_TRUE(reply.at("data").at("streams").as_array().empty());
}

TEST(NativeReplyTest, SubscribedSaysWhatWasTakenAndWhatWasNot) {
  EXPECT_EQ(
      Reply(Subscribed{"7", {"a", "b"}, {{"c d", {"bad_stream", "why", true, 250}}}, {}}),
      R"({"stream":"system","event":"subscribed","data":{"streams":["a","b"],"refused":[{"stream":"c d",)"
      R"("code":"bad_stream","message":"why","temporary":true,"retry_after_ms":250}],"logs":{}},"meta":{},"id":7})");
}

TEST(NativeReplyTest, ALogSaysWhereTheClientStandsAndWhatBecameOfItsWish) {
  auto logs = [](LogState log) {
    Subscribed reply;
    reply.logs = {std::move(log)};
    return json::serialize(json::parse(Reply(reply)).at("data").at("logs"));
  };

  EXPECT_EQ(logs({"a", {"e", 5}, 5, Recovered::kNotAsked}), R"({"a":{"epoch":"e","offset":5,"top":5}})");
  const std::pair<Recovered, const char*> kReasons[] = {{Recovered::kEpochChanged, "epoch_changed"},
                                                        {Recovered::kTrimmed, "trimmed"},
                                                        {Recovered::kTooFar, "too_far"},
                                                        {Recovered::kRevoked, "revoked"}};
  for (auto [recovered, word] : kReasons) {
    EXPECT_EQ(logs({"a", {}, 0, recovered}), fmt::format(R"({{"a":{{"recovered":false,"reason":"{}"}}}})", word));
  }
}

TEST(NativeReplyTest, AMarkerSaysWhatDoesNotCome) {
  wire::Skip skip{"chat", {"e", 41}, 41, {}};
  skip.counts.Add(wire::SkipReason::kFiltered, 3);
  EXPECT_EQ(Reply(skip), R"({"stream":"system","event":"skip","data":{"stream":"chat","epoch":"e","offset":41,)"
                         R"("filtered":3},"meta":{}})");
  skip.covers = 97;
  for (auto reason : {wire::SkipReason::kExcluded, wire::SkipReason::kExpired, wire::SkipReason::kConflated,
                      wire::SkipReason::kDropped}) {
    skip.counts.Add(reason);
  }
  EXPECT_EQ(Reply(skip), R"({"stream":"system","event":"skip","data":{"stream":"chat","epoch":"e","offset":41,)"
                         R"("covers":97,"filtered":3,"excluded":1,"expired":1,"conflated":1,"dropped":1},"meta":{}})");
  wire::Skip unlogged{"chat", {}, 0, {}};
  unlogged.counts.Add(wire::SkipReason::kDropped, 2);
  EXPECT_EQ(Reply(unlogged), R"({"stream":"system","event":"skip","data":{"stream":"chat","dropped":2},"meta":{}})");
}

TEST(NativeReplyTest, TheShortRepliesAreShort) {
  EXPECT_EQ(Reply(Unsubscribed{"\"u\"", {"a"}}),
            R"({"stream":"system","event":"unsubscribed","data":{"streams":["a"]},"meta":{},"id":"u"})");
  EXPECT_EQ(Reply(Pong{"", ""}), R"({"stream":"system","event":"pong","data":{},"meta":{}})");
  EXPECT_EQ(Reply(Pong{"1", "[1]"}), R"({"stream":"system","event":"pong","data":{"echo":[1]},"meta":{},"id":1})");
  EXPECT_EQ(Reply(Error{"", {"not_json", "not JSON: x"}}),
            R"({"stream":"system","event":"error","data":{"code":"not_json","message":"not JSON: x",)"
            R"("temporary":false},"meta":{}})");
  EXPECT_EQ(Reply(TokenExpiring{6000}),
            R"({"stream":"system","event":"token_expiring","data":{"expires_in_ms":6000},"meta":{}})");
  EXPECT_EQ(Reply(Restart{1000}), R"({"stream":"system","event":"restart","data":{"retry_after_ms":1000},"meta":{}})");
}

TEST(NativeReplyTest, AuthenticatedNamesTheUser) {
  EXPECT_EQ(Reply(Authenticated{"3", {"bob", "", {}}, {"s"}, {}}),
            R"({"stream":"system","event":"authenticated","data":{"user":{"id":"bob","name":"","roles":[]},)"
            R"("streams":["s"],"refused":[],"logs":{}},"meta":{},"id":3})");
}

TEST(NativeReplyTest, WhatAClientSentComesBackEscaped) {
  test::Random random;
  for (int i = 0; i < 500; ++i) {
    std::string stream = random.Bytes(random.Below(30));
    std::string message = random.Bytes(random.Below(30));

    std::string text = Reply(Subscribed{"\"q\"", {stream}, {{stream, {"bad_stream", message}}}});

    json::error_code error;
    json::value reply = json::parse(text, error);
    ASSERT_FALSE(error) << text;
    ASSERT_EQ(reply.at("id").as_string(), "q");
  }
}

TEST(NativeReplyTest, AnIdComesBackThroughParseAndReply) {
  for (std::string id : {"0", "-3", "\"a\\\"\\n\xc3\xbc\"", "1.5E0", "\"\""}) {
    Command command = Native().Parse(wire::Opcode::kText, R"({"action":"ping","id":)" + id + "}");

    json::value reply = json::parse(Reply(Pong{std::get<Ping>(command).id, ""}));

    EXPECT_EQ(reply.at("id"), json::parse(id)) << id;
  }
}

TEST(NativeReplyTest, RepliesAppendToWhatIsQueued) {
  std::string out = "before";

  Native().AppendReply(out, Pong{});

  EXPECT_EQ(out.substr(0, 6), "before");
  EXPECT_EQ(static_cast<uint8_t>(out[6]), 0x81);
}

TEST(NativeEnvelopeTest, TextIsAsInTheGoldenFiles) {
  for (const test::GoldenEnvelope& golden : test::LoadGoldenEnvelopes()) {
    std::string text;
    NativeDialect::AppendEnvelopeText(golden.envelope, text);

    EXPECT_EQ(text, golden.json) << golden.name;
    EXPECT_TRUE(wire::CheckJson(text).ok()) << golden.name;
  }
}

TEST(NativeEnvelopeTest, AFrameHoldsTheGoldenText) {
  for (test::GoldenEnvelope& golden : test::LoadGoldenEnvelopes()) {
    wire::FramePtr frame(new wire::Frame(golden.envelope));

    std::string_view bytes = frame->Encoded(Native().encoding(), Native().encode());

    EXPECT_EQ(TextOf(bytes), golden.json) << golden.name;
  }
}

TEST(NativeEnvelopeTest, LargePayloadsAreOneFrame) {
  for (size_t size : {100u, 65000u, 70000u, 524288u}) {
    v1::Envelope envelope;
    envelope.set_json('"' + std::string(size, 'x') + '"');
    std::string frame;

    NativeDialect::AppendEnvelope(envelope, frame);

    EXPECT_EQ(json::parse(TextOf(frame)).at("data").as_string().size(), size);
  }
}

}  // namespace
}  // namespace carillon::dialect
