#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <mutex>
#include <set>
#include <thread>

#include "control/drafter.h"
#include "gateway/wire/envelope_json.h"
#include "gateway/wire/json_check.h"
#include "tests/support/apps.h"
#include "tests/support/shop_set.h"

namespace carillon::control {
namespace {

using ::testing::HasSubstr;

constexpr size_t kMaxBytes = 1000;

class DrafterPayloadTest : public ::testing::Test {
 protected:
  StatusOr<Draft> Read(const v1::Event& event) {
    v1::BroadcastStreamRequest request;
    request.set_stream("chat");
    *request.mutable_event() = event;
    return drafter_.Read(request, caller_);
  }

  static v1::Event Event(const std::string& text = "") {
    v1::Event event;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &event)) << text;
    if (event.name().empty()) event.set_name("x");
    return event;
  }

  // The payload as clients receive it, or what was wrong.
  std::string Payload(const v1::Event& event) {
    auto draft = Read(event);
    if (!draft.ok()) return "error: " + FieldOf(draft.status());
    std::string json;
    wire::AppendPayloadJson(json, draft->frame->envelope());
    EXPECT_TRUE(wire::CheckJson(json).ok()) << json;
    return json;
  }

  Caller caller_{test::AnybodysKey(), test::ThreeApps()};
  Drafter drafter_{kMaxBytes};
};

TEST_F(DrafterPayloadTest, AnAbsentPayloadIsNull) {
  EXPECT_EQ(Payload(Event()), "null");
}

TEST_F(DrafterPayloadTest, JsonIsCheckedAndKeptByteForByte) {
  EXPECT_EQ(Payload(Event(R"(json: '{ "b":1.0, "a":[ ] }')")), R"({ "b":1.0, "a":[ ] })");
  EXPECT_EQ(Payload(Event("json: ''")), "error: event.json");
  EXPECT_EQ(Payload(Event("json: '{'")), "error: event.json");
  EXPECT_EQ(Payload(Event("json: '1 2'")), "error: event.json");
  EXPECT_THAT(MessageOf(Read(Event("json: '[1,x]'")).status()), HasSubstr("byte 3"));
}

TEST_F(DrafterPayloadTest, JsonNests32Deep) {
  EXPECT_NE(Payload(Event("json: '" + std::string(32, '[') + std::string(32, ']') + "'")), "error: event.json");
  EXPECT_EQ(Payload(Event("json: '" + std::string(33, '[') + std::string(33, ']') + "'")), "error: event.json");
}

TEST_F(DrafterPayloadTest, BytesBecomeBase64) {
  EXPECT_EQ(Payload(Event(R"(binary: "\000\377\376")")), R"("AP/+")");
  EXPECT_EQ(Payload(Event("binary: ''")), R"("")");
}

TEST_F(DrafterPayloadTest, ValuesBecomeJson) {
  EXPECT_EQ(Payload(Event("value { null_value: NULL_VALUE }")), "null");
  EXPECT_EQ(Payload(Event("value { bool_value: true }")), "true");
  EXPECT_EQ(Payload(Event("value { number_value: 1 }")), "1");
  EXPECT_EQ(Payload(Event("value { number_value: -0.5 }")), "-0.5");
  EXPECT_EQ(Payload(Event("value { string_value: 'a\"\\n' }")), R"("a\"\n")");
  EXPECT_EQ(Payload(Event("value { list_value {} }")), "[]");
  EXPECT_EQ(Payload(Event("value { struct_value { fields { key: 'id' value { number_value: 1 } } } }")), R"({"id":1})");
  EXPECT_EQ(Payload(Event("value { list_value { values { string_value: '' } values { struct_value {} } } }")),
            R"(["",{}])");
}

TEST_F(DrafterPayloadTest, LargeNumbersKeepTheirValue) {
  v1::Event event = Event();
  event.mutable_value()->set_number_value(1e20);
  EXPECT_EQ(std::stod(Payload(event)), 1e20);
  event.mutable_value()->set_number_value(9007199254740991.0);
  EXPECT_EQ(Payload(event), "9007199254740991");
}

// protobuf writes these as nothing or as words; clients would get broken JSON.
TEST_F(DrafterPayloadTest, ValuesThatAreNoJsonAreRefused) {
  EXPECT_EQ(Payload(Event("value {}")), "error: event.value");
  EXPECT_EQ(Payload(Event("value { list_value { values {} } }")), "error: event.value");
  EXPECT_EQ(Payload(Event("value { struct_value { fields { key: 'a' value {} } } }")), "error: event.value");
  for (double number : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    v1::Event event = Event();
    event.mutable_value()->set_number_value(number);
    EXPECT_EQ(Payload(event), "error: event.value");
    *event.mutable_value()->mutable_list_value()->add_values() = Event("value { number_value: inf }").value();
    EXPECT_EQ(Payload(event), "error: event.value");
  }
}

TEST_F(DrafterPayloadTest, ValuesNest32Deep) {
  auto nested = [](int depth, bool leaf) {
    v1::Event event = Event();
    google::protobuf::Value* value = event.mutable_value();
    for (int i = 1; i < depth; ++i) value = value->mutable_list_value()->add_values();
    value->mutable_list_value();
    if (leaf) value->mutable_list_value()->add_values()->set_number_value(1);
    return event;
  };
  EXPECT_EQ(Payload(nested(32, true)), std::string(32, '[') + "1" + std::string(32, ']'));
  EXPECT_EQ(Payload(nested(32, false)), std::string(32, '[') + std::string(32, ']'));
  EXPECT_EQ(Payload(nested(33, false)), "error: event.value");
  EXPECT_EQ(Payload(nested(90, true)), "error: event.value");
}

// --- Typed events ---

class TypedPayloadTest : public DrafterPayloadTest {
 protected:
  TypedPayloadTest() {
    EXPECT_TRUE(schemas().Register(test::SetOf(test::ShopFiles())).ok());
    EXPECT_TRUE(schemas().Bind({"chat", "x", "shop.v1.Item"}).ok());
  }

  schema::Registry& schemas() { return *(*caller_.AppOf(""))->schemas; }

  static v1::Event Message(const google::protobuf::Message& message) {
    v1::Event event = Event();
    event.mutable_message()->PackFrom(message);
    return event;
  }

  static shop::v1::Item Item() {
    shop::v1::Item item;
    item.set_sku("a");
    return item;
  }

  static constexpr char kItem[] = R"({"sku":"a","price":0,"count":0})";
};

TEST_F(TypedPayloadTest, EveryArmComesToTheSameJson) {
  EXPECT_EQ(Payload(Event(R"(json: '{ "sku": "a" }')")), kItem);
  EXPECT_EQ(Payload(Event("value { struct_value { fields { key: 'sku' value { string_value: 'a' } } } }")), kItem);
  EXPECT_EQ(Payload(Message(Item())), kItem);
}

TEST_F(TypedPayloadTest, WhatIsWrongIsNamed) {
  EXPECT_EQ(Payload(Event(R"(json: '{"price":"x"}')")), "error: event.json.price");
  EXPECT_EQ(Payload(Event("json: '{'")), "error: event.json");
  EXPECT_EQ(Payload(Event("value { struct_value { fields { key: 'y' value { bool_value: true } } } }")),
            "error: event.value.y");
  EXPECT_EQ(Payload(Event("value {}")), "error: event.value");
  EXPECT_EQ(Payload(Event("binary: 'x'")), "error: event.binary");
  EXPECT_EQ(Payload(Event()), "error: event");
  EXPECT_EQ(Payload(Message(shop::v1::Order())), "error: event.message.type_url");
  v1::Event bad = Message(Item());
  bad.mutable_message()->set_value("\x0a\x01\xff");
  EXPECT_EQ(Payload(bad), "error: event.message.sku");
  Status status = Read(Event(R"(json: '{"price":"x","y":1}')")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "SCHEMA_MISMATCH");
  EXPECT_EQ(MessageOf(status), "event.json.price: is \"x\", and a value of double is needed (Validate tells 1 more)");
}

TEST_F(TypedPayloadTest, ElsewherePayloadsAreFree) {
  v1::Event free = Event("name: 'y' json: '{ \"price\":\"x\" }'");
  EXPECT_EQ(Payload(free), R"({ "price":"x" })");
  v1::Event typed = Message(Item());
  typed.set_name("y");
  EXPECT_EQ(Payload(typed), kItem) << "an Any of a type that is there";
}

TEST_F(TypedPayloadTest, TypesThatAreNotThere) {
  v1::Event event = Event("name: 'y' message { type_url: 'type.googleapis.com/shop.v1.Missing' }");
  Status status = Read(event).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "TYPE_UNKNOWN");
  EXPECT_THAT(MessageOf(status), HasSubstr("shop.v1.Missing"));
  EXPECT_EQ(Payload(Event("name: 'y' message {}")), "error: event.message.type_url");

  // A configuration that is loaded again may leave a binding without its type: it refuses, rather than letting through.
  schemas().Configure({{test::SetOf(test::ThingFiles("a"), "shop", true)}, {}}, {});
  EXPECT_EQ(ReasonOf(Read(Event("json: '{}'")).status()), "TYPE_UNKNOWN");
}

TEST_F(TypedPayloadTest, TheResultIsBounded) {
  schemas().Configure({}, {.max_publish_bytes = kMaxBytes});
  std::string text(kMaxBytes - 10, 'x');
  EXPECT_THAT(MessageOf(Read(Event("json: '{\"sku\":\"" + text + "\"}'")).status()),
              HasSubstr("limits.max_publish_bytes"));
}

TEST_F(DrafterPayloadTest, SizeIsMeasuredAsClientsReceiveIt) {
  v1::Event event = Event();
  event.set_json('"' + std::string(kMaxBytes - 2, 'x') + '"');
  EXPECT_TRUE(Read(event).ok());
  event.set_json('"' + std::string(kMaxBytes - 1, 'x') + '"');
  EXPECT_EQ(FieldOf(Read(event).status()), "event");
  EXPECT_THAT(MessageOf(Read(event).status()), HasSubstr("limits.max_publish_bytes"));

  event.set_binary(std::string(kMaxBytes / 4 * 3, '\0'));
  EXPECT_TRUE(Read(event).ok());
  event.set_binary(std::string(kMaxBytes / 4 * 3 + 1, '\0'));
  EXPECT_EQ(FieldOf(Read(event).status()), "event");

  event.mutable_value()->set_string_value(std::string(kMaxBytes - 2, 'x'));
  EXPECT_TRUE(Read(event).ok());
  event.mutable_value()->set_string_value(std::string(kMaxBytes / 2, '\n'));  // two bytes each
  EXPECT_EQ(FieldOf(Read(event).status()), "event");
}

TEST_F(DrafterPayloadTest, AHugePayloadIsRefusedForItsSizeNotParsed) {
  v1::Event event = Event();
  event.set_json(std::string(10'000'000, '['));

  EXPECT_EQ(FieldOf(Read(event).status()), "event");
}

TEST_F(DrafterPayloadTest, NamesHaveOneTo128Bytes) {
  v1::Event event = Event();
  for (const std::string& good : {std::string("a"), std::string(128, 'n'), std::string("Grüße 🔔 \"x\"")}) {
    event.set_name(good);
    EXPECT_TRUE(Read(event).ok()) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string(129, 'n'), std::string("a\nb"), std::string("\x7f"), std::string("a\0b", 3)}) {
    event.set_name(bad);
    EXPECT_EQ(FieldOf(Read(event).status()), "event.name") << bad;
  }
}

TEST_F(DrafterPayloadTest, MetaIsJudgedByTheTable) {
  struct MetaCase {
    std::string key;
    size_t value_bytes;
    bool good;
  };
  const MetaCase kCases[] = {
      {"trace", 3, true},
      {"a", 0, true},
      {"A.b_c-9", 1024, true},
      {std::string(64, 'k'), 1, true},
      {"ID", 1, true},
      {"", 1, false},
      {std::string(65, 'k'), 1, false},
      {"a b", 1, false},
      {"a:b", 1, false},
      {"\xc3\xbc", 1, false},
      {"a", 1025, false},
      {"id", 1, false},
      {"ts", 1, false},
      {"offset", 1, false},
      {"epoch", 1, false},
      {"log", 1, false},
  };
  for (const MetaCase& c : kCases) {
    v1::Event event = Event();
    (*event.mutable_meta())[c.key] = std::string(c.value_bytes, 'v');

    auto draft = Read(event);

    EXPECT_EQ(draft.ok(), c.good) << c.key;
    EXPECT_EQ(FieldOf(draft.status()), c.good ? "" : "event.meta") << c.key;
  }
}

TEST_F(DrafterPayloadTest, MetaHas32EntriesAtMost) {
  v1::Event event = Event();
  for (int i = 0; i < 32; ++i) (*event.mutable_meta())["k" + std::to_string(i)] = "v";
  EXPECT_TRUE(Read(event).ok());

  (*event.mutable_meta())["more"] = "v";
  EXPECT_EQ(FieldOf(Read(event).status()), "event.meta");
}

TEST_F(DrafterPayloadTest, TheEnvelopeSaysWhatTheEventSaidAndWhen) {
  auto before = std::chrono::system_clock::now();
  auto draft = Read(Event("name: 'note' json: '1' meta { key: 'by' value: 'bob' }"));
  auto after = std::chrono::system_clock::now();

  const v1::Envelope& envelope = draft->frame->envelope();
  auto time = std::chrono::system_clock::time_point(std::chrono::seconds(envelope.time().seconds()) +
                                                    std::chrono::nanoseconds(envelope.time().nanos()));
  EXPECT_EQ(envelope.event(), "note");
  EXPECT_EQ(envelope.meta().at("by"), "bob");
  EXPECT_GE(time, before);
  EXPECT_LE(time, after);
  EXPECT_FALSE(envelope.has_position());
}

TEST_F(DrafterPayloadTest, MessageIdsAreUnique) {
  Drafter other(kMaxBytes);
  std::mutex mutex;
  std::set<std::string> ids;
  auto draw = [&](Drafter& drafter) {
    v1::BroadcastAllRequest request;
    request.mutable_event()->set_name("x");
    for (int i = 0; i < 500; ++i) {
      std::string id = drafter.Read(request, caller_)->frame->envelope().id();
      std::lock_guard lock(mutex);
      EXPECT_TRUE(ids.insert(id).second) << id;
      EXPECT_LE(id.size(), 64u);
    }
  };
  std::thread first([&] { draw(drafter_); });
  std::thread second([&] { draw(drafter_); });
  std::thread elsewhere([&] { draw(other); });
  first.join();
  second.join();
  elsewhere.join();

  EXPECT_EQ(ids.size(), 1500u);
}

}  // namespace
}  // namespace carillon::control
