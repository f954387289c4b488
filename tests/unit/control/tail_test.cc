#include "control/tail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/dialect/dialect.h"
#include "gateway/wire/new_envelope.h"

namespace carillon::control {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

v1::Envelope Said(std::string json) {
  v1::Envelope envelope = wire::NewEnvelope("chat", "message", wire::WallClock::now());
  envelope.set_id("m1");
  envelope.set_json(std::move(json));
  (*envelope.mutable_meta())["trace"] = "4bf9";
  return envelope;
}

v1::TailFrame Shown(const hub::Tapped& tapped, bool payloads = false, size_t max_bytes = 4096) {
  v1::TailFrame frame;
  FillFrame(tapped, payloads, max_bytes, &frame);
  return frame;
}

v1::TailFrame OfStream(v1::Envelope envelope, bool payloads = false, size_t max_bytes = 4096) {
  hub::Tapped tapped;
  tapped.frame = wire::FramePtr(new wire::Frame(std::move(envelope)));
  return Shown(tapped, payloads, max_bytes);
}

v1::TailFrame OfSession(const v1::Envelope& envelope, bool payloads = false) {
  hub::Tapped tapped;
  tapped.session = SessionId{1, 7};
  dialect::Native().encode()(envelope, tapped.bytes);
  return Shown(tapped, payloads);
}

std::vector<std::pair<std::string, std::string>> FieldsOf(const v1::TailFrame& frame) {
  std::vector<std::pair<std::string, std::string>> fields;
  for (const v1::TailField& field : frame.fields()) fields.emplace_back(field.name(), field.type());
  return fields;
}

TEST(TailTest, APayloadIsDescribedAndNotShown) {
  for (const v1::TailFrame& frame : {OfStream(Said(R"({"text":"secret","n":[1],"o":{}})")),
                                     OfSession(Said(R"({"text":"secret","n":[1],"o":{}})"))}) {
    EXPECT_EQ(frame.direction(), v1::TAIL_DIRECTION_OUT);
    EXPECT_EQ(frame.stream(), "chat");
    EXPECT_EQ(frame.event(), "message");
    EXPECT_EQ(frame.meta().at("id"), "m1");
    EXPECT_EQ(frame.meta().at("trace"), "4bf9");
    EXPECT_EQ(frame.payload_type(), "object");
    EXPECT_EQ(frame.payload_bytes(), 32u);
    EXPECT_THAT(FieldsOf(frame), ElementsAre(Pair("text", "string"), Pair("n", "array"), Pair("o", "object")));
    EXPECT_EQ(frame.DebugString().find("secret\""), std::string::npos);
    EXPECT_FALSE(frame.payload_cut());
  }
}

TEST(TailTest, WhereTheyAreWantedPayloadsAreShownAndCutBetweenCharacters) {
  EXPECT_EQ(OfStream(Said(R"({"a":1.50})"), true).payload(), R"({"a":1.50})");
  EXPECT_EQ(OfSession(Said(R"({"a":1.50})"), true).payload(), R"({"a":1.50})");
  v1::TailFrame cut = OfStream(Said("\"\xC3\xA4\xC3\xA4\""), true, 4);
  EXPECT_EQ(cut.payload(), "\"\xC3\xA4");
  EXPECT_TRUE(cut.payload_cut());
  EXPECT_EQ(cut.payload_bytes(), 6u);
}

TEST(TailTest, EveryLengthOfAFrame) {
  for (size_t length : {0, 10, 125, 126, 127, 1000, 65'535, 65'536, 100'000}) {
    v1::TailFrame frame = OfSession(Said("\"" + std::string(length, 'x') + "\""));
    EXPECT_EQ(frame.payload_bytes(), length + 2);
    EXPECT_EQ(frame.payload_type(), "string");
  }
}

TEST(TailTest, BytesAndNothing) {
  v1::Envelope bytes = Said("");
  bytes.set_binary("abc");
  EXPECT_EQ(OfStream(bytes).payload_type(), "binary");
  EXPECT_EQ(OfStream(bytes, true).payload(), "\"YWJj\"");
  bytes.clear_binary();
  EXPECT_EQ(OfStream(bytes).payload_type(), "null");
}

TEST(TailTest, WhatIsNoEnvelopeIsOpaque) {
  hub::Tapped tapped;
  tapped.session = SessionId{0, 1};
  for (std::string_view bytes : {"", "x", "\x81\x7f", "\x81\x05hello", "\x82\x02hi", "\x81\x7e\x00"}) {
    tapped.bytes = bytes;
    v1::TailFrame frame = Shown(tapped, true);
    EXPECT_EQ(frame.bytes(), bytes.size());
    EXPECT_EQ(frame.payload(), "");
  }
}

TEST(TailTest, WhatClientsSay) {
  hub::Tapped tapped;
  tapped.session = SessionId{1, 7};
  tapped.said = hub::Said{"publish", "chat", "message", R"({"a":1})", 60, false};
  v1::TailFrame frame = Shown(tapped);
  EXPECT_EQ(frame.direction(), v1::TAIL_DIRECTION_IN);
  EXPECT_EQ(frame.session_id(), (SessionId{1, 7}).ToString());
  EXPECT_EQ(frame.action(), "publish");
  EXPECT_EQ(frame.bytes(), 60u);
  EXPECT_THAT(FieldsOf(frame), ElementsAre(Pair("a", "number")));
  EXPECT_EQ(frame.payload(), "");
  tapped.said->secret = true;
  frame = Shown(tapped, true);
  EXPECT_EQ(frame.payload_type(), "");
  EXPECT_TRUE(frame.secret());
}

TEST(TailTest, OfWhatMayHoldATokenNothingIsShown) {
  v1::Envelope auth = Said(R"({"x":"hush"})");
  auth.set_event("Auth");
  (*auth.mutable_meta())["trace"] = "hush";
  v1::Envelope answer = Said(R"({"event":"AUTH","data":{"session":"hush"}})");
  answer.set_stream("system");
  answer.set_event("answer");
  for (const v1::TailFrame& frame :
       {OfStream(auth, true), OfSession(auth, true), OfSession(auth), OfSession(answer, true)}) {
    EXPECT_TRUE(frame.secret());
    EXPECT_EQ(frame.DebugString().find("hush"), std::string::npos) << frame.DebugString();
    EXPECT_EQ(frame.payload_type(), "");
  }
  answer.set_json(R"({"event":"cart","data":7})");
  EXPECT_EQ(OfSession(answer, true).payload(), answer.json());
}

TEST(TailsTest, ThereAreSoManyAndNoMore) {
  Tails tails;
  std::vector<std::shared_ptr<void>> places;
  auto refused = [&](const std::string& key) {
    Status status = tails.Enter(key).status();
    EXPECT_TRUE(status.ok() || ReasonOf(status) == "LIMIT_REACHED") << status;
    return absl::IsResourceExhausted(status);
  };
  for (size_t i = 0; i < Tails::kMostOfKey; ++i) places.push_back(*tails.Enter("a"));
  EXPECT_TRUE(refused("a"));
  for (size_t i = places.size(); i < Tails::kMost; ++i) places.push_back(*tails.Enter("b"));
  EXPECT_TRUE(refused("c"));
  places.erase(places.begin());
  EXPECT_FALSE(refused("c"));
  EXPECT_FALSE(refused("a"));
  EXPECT_TRUE(refused("b"));
}

}  // namespace
}  // namespace carillon::control
