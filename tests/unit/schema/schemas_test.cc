#include "gateway/schema/schemas.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/wire/json_check.h"
#include "tests/support/shop_set.h"

namespace carillon::schema {
namespace {

using ::testing::HasSubstr;

class SchemasTest : public ::testing::Test {
 protected:
  // The canonical JSON, or "!FIELD: what is wrong".
  std::string Json(const std::string& text, const std::string& type = "shop.v1.Order") const {
    return Told(schemas_.CheckJson(type, text));
  }

  std::string Bytes(const google::protobuf::Message& message) const {
    return Told(schemas_.CheckBytes(message.GetDescriptor()->full_name(), message.SerializePartialAsString()));
  }

  static std::string Told(const Checked& checked) {
    if (checked.type_unknown) return "?";
    if (!checked.ok()) return "!" + checked.violations[0].field + ": " + checked.violations[0].description;
    EXPECT_TRUE(wire::CheckJson(checked.json).ok()) << checked.json;
    return checked.json;
  }

  const Schemas schemas_{{test::SetOf(test::ShopFiles())}, {}, 10'000};
};

TEST_F(SchemasTest, ZerosAreKeptAndWhatHasPresenceIsNot) {
  constexpr char kEmpty[] = R"({"orderId":"0","customer":"","items":[],"state":"STATE_UNSPECIFIED","extras":{},)"
                            R"("totalCents":"0","gift":false,"token":""})";
  EXPECT_EQ(Json("{}"), kEmpty);
  EXPECT_EQ(Bytes(shop::v1::Order()), kEmpty);
}

TEST_F(SchemasTest, BothWaysComeToOneJson) {
  shop::v1::Order order;
  order.set_order_id(9007199254740993);
  order.set_customer("Ann \"A\" ☃");
  auto* item = order.add_items();
  item->set_sku("x");
  item->set_price(1.5);
  order.set_state(shop::v1::STATE_PAID);
  (*order.mutable_extras())["b"].set_count(2);
  (*order.mutable_extras())["a"].set_count(1);
  order.set_total_cents(18446744073709551615U);
  order.set_token(std::string("\0\xff", 2));
  order.set_rating(0);
  order.set_voucher(0);
  order.mutable_time()->set_seconds(1'700'000'000);
  order.mutable_time()->set_nanos(120'000'000);
  constexpr char kJson[] =
      R"({"orderId":"9007199254740993","customer":"Ann \"A\" ☃","items":[{"sku":"x","price":1.5,"count":0}],)"
      R"("state":"STATE_PAID","extras":{"a":{"sku":"","price":0,"count":1},"b":{"sku":"","price":0,"count":2}},)"
      R"("totalCents":"18446744073709551615","gift":false,"token":"AP8=","rating":0,"voucher":"0",)"
      R"("time":"2023-11-14T22:13:20.120Z"})";
  EXPECT_EQ(Bytes(order), kJson);
  EXPECT_EQ(Json(kJson), kJson);
  EXPECT_EQ(
      Json(R"({"order_id": 9007199254740993, "customer": "Ann \"A\" \u2603", "rating": 0, "voucher": 0, "state": 1,
                     "items": [{"sku": "x", "price": "1.5"}], "token": "AP8", "total_cents": 18446744073709551615,
                     "extras": {"b": {"count": 2}, "a": {"count": 1}}, "time": "2023-11-14T23:13:20.12+01:00"})"),
      kJson);
}

TEST_F(SchemasTest, WhatIsWrongIsNamed) {
  struct Case {
    const char* json;
    const char* field;
    const char* why;
  };
  constexpr Case kCases[] = {
      {R"({"items":[{"price":"x"}]})", "items[0].price", "is \"x\", and a value of double is needed"},
      {R"({"items":[{},{"price":true}]})", "items[1].price", "is true"},
      {R"({"items":[{"colour":"red"}]})", "items[0].colour", "is no field of shop.v1.Item"},
      {R"({"colour":"red"})", "colour", "is no field"},
      {R"({"order_id":1.5})", "order_id", "value of int64"},
      {R"({"orderId":"9223372036854775808"})", "orderId", "value of int64"},
      {R"({"orderId":9223372036854775808})", "orderId", "9223372036854775808"},
      {R"({"orderId":1e30})", "orderId", "1e30"},
      {R"({"orderId":9007199254740994.0})", "orderId", "int64"},
      {R"({"totalCents":-1})", "totalCents", "uint64"},
      {R"({"items":[{"count":2147483648}]})", "items[0].count", "int32"},
      {R"({"items":[{"count":-2147483649}]})", "items[0].count", "int32"},
      {R"({"items":{}})", "items", "an object, and a list is needed"},
      {R"({"items":"x"})", "items", "list"},
      {R"({"items":5})", "items", "list"},
      {R"({"items":[[]]})", "items[0]", "is a list, and a value of shop.v1.Item"},
      {R"({"items":[null]})", "items[0]", "is null"},
      {R"({"items":[5]})", "items[0]", "is 5"},
      {R"({"customer":5})", "customer", "string"},
      {R"({"customer":[]})", "customer", "string"},
      {R"({"customer":{}})", "customer", "is an object"},
      {R"({"customer":["a"]})", "customer", "is a list"},
      {R"({"customer":true})", "customer", "string"},
      {R"({"order_id":true})", "order_id", "int64"},
      {R"({"order_id":""})", "order_id", "int64"},
      {R"({"order_id":" 1"})", "order_id", "int64"},
      {R"({"order_id":[1]})", "order_id", "int64"},
      {R"({"order_id":"1e2"})", "order_id", "int64"},
      {R"({"rating":"0x10"})", "rating", "int32"},
      {R"({"rating":1e10})", "rating", "int32"},
      {R"({"items":[{"price":"inf"}]})", "items[0].price", "double"},
      {R"({"items":[{"price":"0x1"}]})", "items[0].price", "double"},
      {R"({"items":[{"price":1e400}]})", "items[0].price", "double"},
      {R"({"replaces":[]})", "replaces", "is a list"},
      {R"({"replaces":[{}]})", "replaces", "is a list"},
      {R"({"replaces":5})", "replaces", "shop.v1.Order"},
      {R"({"replaces":{"replaces":{"items":[{},{"price":"x"}]}}})", "replaces.replaces.items[1].price", "double"},
      {R"({"extras":[]})", "extras", "an object is needed"},
      {R"({"extras":{"a":5}})", R"(extras["a"])", "is 5"},
      {R"({"extras":{"a":null}})", R"(extras["a"])", "is null"},
      {R"({"extras":{"a\"]":{"price":"x"}}})", R"(extras["a\"]"].price)", "double"},
      {R"({"gift":1})", "gift", "bool"},
      {R"({"gift":"true"})", "gift", "bool"},
      {R"({"gift":"yes"})", "gift", "bool"},
      {R"({"token":"*"})", "token", "base64"},
      {R"({"token":5})", "token", "bytes"},
      {R"({"state":"STATE_LOST"})", "state", "shop.v1.State"},
      {R"({"state":"state_paid"})", "state", "shop.v1.State"},
      {R"({"state":1.5})", "state", "shop.v1.State"},
      {R"({"state":true})", "state", "shop.v1.State"},
      {R"({"time":"yesterday"})", "time", "google.protobuf.Timestamp"},
      {R"({"time":5})", "time", "google.protobuf.Timestamp"},
      {R"({"time":{"seconds":5}})", "time", "google.protobuf.Timestamp"},
      {R"({"order_id":1,"orderId":2})", "orderId", "twice"},
      {R"({"card":"a","voucher":1})", "voucher", "beside card"},
      {R"({"a":1,"a":2})", "", "twice"},
      {"{", "", "not JSON"},
      {"{} {}", "", "more text"},
      {"{'customer':'x'}", "", "not JSON"},
      {"{\"customer\":\"\xff\"}", "", "not JSON"},
      {"null", "", "is null, and a value of shop.v1.Order is needed"},
      {"[]", "", "is a list"},
      {"5", "", "is 5"},
      {"\"x\"", "", "is \"x\""},
  };
  for (const Case& test : kCases) {
    Checked checked = schemas_.CheckJson("shop.v1.Order", test.json);
    EXPECT_EQ(checked.violations.size(), 1U) << test.json << " is " << checked.json;
    if (checked.violations.empty()) continue;
    EXPECT_EQ(checked.violations[0].field, test.field) << test.json << checked.violations[0].description;
    EXPECT_THAT(checked.violations[0].description, HasSubstr(test.why)) << test.json;
    EXPECT_EQ(checked.json, "");
  }
}

// "01" and "1" would be one key.
TEST_F(SchemasTest, NumbersOfMapsHaveOneForm) {
  for (const char* key : {"01", "00", "-0", "-01"}) {
    std::string json = fmt::format(R"({{"byInt64":{{"{}":{{}}}}}})", key);
    EXPECT_EQ(Json(json, "shop.v1.Everything").substr(0, 20),
              fmt::format("!byInt64[\"{}\"]: is a number", key).substr(0, 20));
  }
  for (const char* key : {"0", "10", "-10"}) {
    EXPECT_THAT(Json(fmt::format(R"({{"byInt64":{{"{}":{{}}}}}})", key), "shop.v1.Everything"),
                HasSubstr(fmt::format("\"{}\":{{", key)));
  }
  EXPECT_THAT(Json(R"({"byString":{"01":"1"}})", "shop.v1.Everything"), HasSubstr("\"01\":"));
}

TEST_F(SchemasTest, SeveralThingsMayBeWrong) {
  Checked checked = schemas_.CheckJson("shop.v1.Order", R"({"a":1,"gift":2,"items":[{"price":"x"},{"count":true}]})");
  std::vector<std::string> fields;
  for (const Violation& violation : checked.violations) fields.push_back(violation.field);
  EXPECT_THAT(fields, ::testing::ElementsAre("a", "gift", "items[0].price", "items[1].count"));
  std::string many;
  for (int i = 0; i < 100; ++i) many += fmt::format("{}\"f{}\":1", i == 0 ? "" : ",", i);
  EXPECT_EQ(schemas_.CheckJson("shop.v1.Order", "{" + many + "}").violations.size(), kMaxViolations);
}

TEST_F(SchemasTest, WhatIsToldIsBounded) {
  std::string text(5000, 'x');
  EXPECT_LT(Json("{\"gift\":\"" + text + "\"}").size(), 200U);
  EXPECT_LT(Json("{\"" + text + "\":1}").size(), 200U);
  EXPECT_LT(Json("{\"orderId\":1" + std::string(5000, '0') + "}").size(), 200U);
}

TEST_F(SchemasTest, NullIsAbsent) {
  EXPECT_EQ(Json(R"({"orderId":null,"items":null,"extras":null,"time":null,"card":null,"voucher":1})"),
            Json(R"({"voucher":1})"));
  EXPECT_THAT(Json(R"({"value":null})", "shop.v1.Everything"), HasSubstr("\"value\":null"));
  EXPECT_THAT(Json(R"({"list":[null]})", "shop.v1.Everything"), HasSubstr("\"list\":[null]"));
}

TEST_F(SchemasTest, NumbersAtTheirEnds) {
  EXPECT_THAT(Json(R"({"orderId":-9223372036854775808})"), HasSubstr(R"("orderId":"-9223372036854775808")"));
  EXPECT_THAT(Json(R"({"orderId":"9223372036854775807"})"), HasSubstr(R"("orderId":"9223372036854775807")"));
  EXPECT_THAT(Json(R"({"totalCents":18446744073709551615})"), HasSubstr(R"("totalCents":"18446744073709551615")"));
  auto number = [&](const std::string& text) { return Json(text, "google.protobuf.DoubleValue"); };
  EXPECT_EQ(number("\"NaN\""), "\"NaN\"");
  EXPECT_EQ(number("\"-Infinity\""), "\"-Infinity\"");
  EXPECT_EQ(number("1e300"), "1e+300");
  EXPECT_EQ(number("0.1"), "0.1");
  EXPECT_EQ(number("1e-400"), "0");
  EXPECT_EQ(number("\"1.5e3\""), "1500");
  EXPECT_EQ(number("-0.0"), "-0");
  EXPECT_EQ(number("0.1234567890123456789012345678901234567890"), "0.12345678901234568");
  EXPECT_EQ(Json("1e3", "google.protobuf.Int32Value"), "1000");
  EXPECT_EQ(Json("-5.0", "google.protobuf.Int64Value"), "\"-5\"");
  EXPECT_THAT(Json("-1.0", "google.protobuf.UInt64Value"), HasSubstr("!"));
  EXPECT_EQ(Json("0.1", "google.protobuf.FloatValue"), "0.1");
  EXPECT_THAT(Json("1e39", "google.protobuf.FloatValue"), HasSubstr("!"));
}

TEST_F(SchemasTest, WellKnownTypes) {
  shop::v1::Everything all;
  auto has = [&](const std::string& part) {
    EXPECT_THAT(Bytes(all), HasSubstr(part));
    EXPECT_EQ(Json(Bytes(all), "shop.v1.Everything"), Bytes(all));
    all.Clear();
  };
  all.mutable_length()->set_seconds(-1);
  all.mutable_length()->set_nanos(-500'000'000);
  has(R"("length":"-1.500s")");
  all.mutable_mask()->add_paths("a.b_c");
  all.mutable_mask()->add_paths("d");
  has(R"("mask":"a.bC,d")");
  (*all.mutable_details()->mutable_fields())["k"].set_number_value(1);
  (*all.mutable_details()->mutable_fields())["j"].mutable_list_value()->add_values()->set_bool_value(true);
  has(R"("details":{"j":[true],"k":1})");
  all.mutable_value()->set_null_value(google::protobuf::NULL_VALUE);
  has(R"("value":null)");
  all.mutable_int64_value()->set_value(0);
  all.mutable_bytes_value()->set_value("\xff");
  has(R"("int64Value":"0","bytesValue":"/w==")");
  all.mutable_empty();
  has(R"("empty":{})");
  has(R"("nothing":null)");
  all.set_url("u");
  all.set_oddly_named_field_2x(1);
  has(R"("oddlyNamedFIELD2x":1,"URL":"u")");
  (*all.mutable_by_bool())[true] = "t";
  (*all.mutable_by_int64())[-5].set_count(1);
  has(R"("byInt64":{"-5":{"sku":"","price":0,"count":1}},"byBool":{"true":"t"})");
  all.set_a_state(static_cast<shop::v1::State>(9));
  has(R"("aState":9)");
}

TEST_F(SchemasTest, Anys) {
  shop::v1::Everything all;
  shop::v1::Item item;
  item.set_sku("x");
  all.mutable_any()->PackFrom(item);
  constexpr char kItem[] = R"({"@type":"type.googleapis.com/shop.v1.Item","sku":"x","price":0,"count":0})";
  EXPECT_THAT(Bytes(all), HasSubstr(std::string("\"any\":") + kItem));
  EXPECT_EQ(Json(Bytes(all), "shop.v1.Everything"), Bytes(all));
  EXPECT_EQ(Json(kItem, "google.protobuf.Any").substr(0, 1), "!") << "the built-in set has no such type";

  google::protobuf::Int64Value number;
  number.set_value(5);
  google::protobuf::Any inner;
  inner.PackFrom(number, "example.com/types");
  all.mutable_any()->PackFrom(inner);
  EXPECT_THAT(Bytes(all), HasSubstr(R"("any":{"@type":"type.googleapis.com/google.protobuf.Any","value":)"
                                    R"({"@type":"example.com/types/google.protobuf.Int64Value","value":"5"}})"));
  EXPECT_EQ(Json(Bytes(all), "shop.v1.Everything"), Bytes(all));
  EXPECT_THAT(Json(R"({"any":{"@type":"type.googleapis.com/shop.v1.Missing"}})", "shop.v1.Everything"),
              HasSubstr("!any.@type"));
  EXPECT_THAT(Json(R"({"any":{"sku":"x"}})", "shop.v1.Everything"), HasSubstr("!any.@type"));
  EXPECT_THAT(Json(R"({"any":{"@type":"a/shop.v1.Item","price":"x"}})", "shop.v1.Everything"), HasSubstr("!any.price"));
  EXPECT_THAT(Json(R"({"any":{"@type":"a/google.protobuf.Int64Value","value":"x"}})", "shop.v1.Everything"),
              HasSubstr("!any.value"));
  EXPECT_THAT(Json(R"({"any":{"@type":"a/google.protobuf.Int64Value","valu":1}})", "shop.v1.Everything"),
              HasSubstr("!any.value"));
  EXPECT_THAT(Json(R"({"any":{}})", "shop.v1.Everything"), HasSubstr(R"("any":{})"));
}

TEST_F(SchemasTest, Proto2) {
  EXPECT_EQ(Json(R"({"name":"x","closed":"CLOSED_TWO"})", "shop.v2.Old"),
            R"({"name":"x","closed":"CLOSED_TWO","several":[]})");
  EXPECT_THAT(Json(R"({"count":1})", "shop.v2.Old"), HasSubstr("name"));
  EXPECT_THAT(Json(R"({"name":"x","inner":{}})", "shop.v2.Old"), HasSubstr("inner"));
}

TEST_F(SchemasTest, TypesThatNoSetHas) {
  EXPECT_EQ(Json("{}", "shop.v1.Missing"), "?");
  EXPECT_EQ(Told(schemas_.CheckBytes("", "")), "?");
  EXPECT_EQ(Json("\"2020-01-01T00:00:00Z\"", "google.protobuf.Timestamp"), "\"2020-01-01T00:00:00Z\"");
}

// Zeros make much of little: the text is bounded while it is made.
TEST_F(SchemasTest, TheResultIsBounded) {
  std::string items;
  for (int i = 0; i < 400; ++i) items += i == 0 ? "{}" : ",{}";
  EXPECT_THAT(Json("{\"items\":[" + items + "]}"), HasSubstr("limits.max_publish_bytes"));
  std::string text(9'800, 'x');
  EXPECT_NE(Json("{\"customer\":\"" + text + "\"}")[0], '!');
  EXPECT_THAT(Json("{\"customer\":\"" + text + std::string(200, 'x') + "\"}"), HasSubstr("10000 bytes"));
}

TEST_F(SchemasTest, NestingIsBounded) {
  auto nested = [](int objects) {
    std::string json = "{}";
    for (int i = 1; i < objects; ++i) json = "{\"replaces\":" + json + "}";
    return json;
  };
  EXPECT_EQ(Json(nested(31))[0], '{');
  EXPECT_THAT(Json(nested(32)), HasSubstr("nests deeper than 32"));
  EXPECT_THAT(Json(nested(33)), HasSubstr("too deep"));
  EXPECT_THAT(Json(std::string(10'000, '[')), HasSubstr("too deep"));
}

TEST(BindingTest, Matches) {
  Binding binding{"chat-*", "order.*", "T"};
  EXPECT_TRUE(binding.Matches("chat-1", "order.placed"));
  EXPECT_FALSE(binding.Matches("chat-1", "orders"));
  EXPECT_FALSE(binding.Matches("chat", "order.placed"));
  EXPECT_TRUE((Binding{"*", "*", "T"}.Matches("a", "b")));
  EXPECT_FALSE((Binding{"*", "*", "T"}.Matches("@user", "b"))) << "a pattern is for streams";
  EXPECT_TRUE((Binding{"@user", "*", "T"}.Matches("@user", "b")));
}

TEST(BindingTest, Problems) {
  for (const char* stream : {"*", "chat-*", "@user", "@session", "@all"}) EXPECT_EQ(StreamProblem(stream), "");
  for (const char* stream : {"", "@other", "a b", "["}) EXPECT_NE(StreamProblem(stream), "") << stream;
  for (const char* event : {"*", "a", "order.*"}) EXPECT_EQ(EventProblem(event), "");
  EXPECT_NE(EventProblem(""), "");
  EXPECT_NE(EventProblem("a*b"), "");
  EXPECT_NE(EventProblem("a\n"), "");
  EXPECT_NE(EventProblem(std::string(129, 'a')), "");
}

TEST(SchemasOrderTest, TheFirstCounts) {
  google::protobuf::FileDescriptorSet other = test::ThingFiles("a", "other");
  Schemas schemas({test::SetOf(test::ThingFiles("a"), "one"), test::SetOf(other, "two")},
                  {{"x", "e", "a.Thing"}, {"*", "*", "b.Thing"}}, 1000);
  EXPECT_EQ(schemas.SetOf("a.Thing")->name(), "one");
  EXPECT_EQ(schemas.Find("x", "e")->type, "a.Thing");
  EXPECT_EQ(schemas.Find("x", "f")->type, "b.Thing");
  EXPECT_EQ(schemas.SetOf("b.Thing"), nullptr);
  EXPECT_EQ(Schemas({}, {}, 1000).Find("x", "e"), nullptr);
}

}  // namespace
}  // namespace carillon::schema
