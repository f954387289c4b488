#include "gateway/schema/wire_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/seed.h"
#include "tests/support/shop_set.h"

namespace carillon::schema {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr size_t kMemory = 1 << 20;

class WireCheckTest : public ::testing::Test {
 protected:
  std::vector<Violation> Check(const std::string& bytes, const char* type = "shop.v1.Order",
                               size_t memory = kMemory) const {
    return CheckWire(*set_, set_->Find(type), bytes, memory);
  }

  // The fields that are wrong.
  std::vector<std::string> Fields(const std::string& bytes, const char* type = "shop.v1.Order") const {
    std::vector<std::string> fields;
    for (const Violation& violation : Check(bytes, type)) fields.push_back(violation.field);
    return fields;
  }

  std::vector<std::string> Fields(const google::protobuf::Message& message) const {
    return Fields(message.SerializePartialAsString(), message.GetDescriptor()->full_name().c_str());
  }

  const DescriptorSetPtr set_ = test::SetOf(test::ShopFiles());
};

TEST_F(WireCheckTest, NothingIsWrong) {
  EXPECT_THAT(Check(""), IsEmpty());
  shop::v1::Order order;
  order.set_order_id(1);
  order.add_items()->set_sku("a");
  (*order.mutable_extras())["x"].set_sku("b");
  order.mutable_time()->set_seconds(1);
  EXPECT_THAT(Fields(order), IsEmpty());
}

TEST_F(WireCheckTest, FieldsThatTheTypeLacksAreFoundWhereTheyAre) {
  shop::v1::Order order;
  order.add_items();
  order.add_items()->GetReflection()->MutableUnknownFields(order.mutable_items(1))->AddVarint(99, 1);
  auto& extra = (*order.mutable_extras())["a\"b"];
  extra.GetReflection()->MutableUnknownFields(&extra)->AddLengthDelimited(77, "x");
  order.GetReflection()->MutableUnknownFields(&order)->AddFixed32(55, 1);
  EXPECT_THAT(Fields(order), ::testing::UnorderedElementsAre("items[1]", R"(extras["a\"b"])", ""));
  EXPECT_THAT(Check("\xf8\x06\x01").front().description, HasSubstr("field number 111, which shop.v1.Order"));
}

TEST_F(WireCheckTest, KeysOfMapsThatAreNumbers) {
  shop::v1::Everything all;
  auto& item = (*all.mutable_by_int64())[-5];
  item.GetReflection()->MutableUnknownFields(&item)->AddVarint(99, 1);
  EXPECT_THAT(Fields(all), ElementsAre("by_int64[-5]"));
  all.Clear();
  (*all.mutable_by_bool())[true] = "\xff";
  EXPECT_THAT(Fields(all), ElementsAre("by_bool[1]"));
}

TEST_F(WireCheckTest, TextMustBeUtf8) {
  EXPECT_THAT(Fields(std::string("\x12\x02\xc3\x28", 4)), ElementsAre("customer"));
  shop::v2::Old old;
  old.set_name("\xff");
  EXPECT_THAT(Fields(old), ElementsAre("name"));
}

TEST_F(WireCheckTest, BytesThatAreNoMessage) {
  EXPECT_THAT(Fields("\x12\x05"
                     "abc"),
              ElementsAre("customer"))
      << "cut off";
  EXPECT_THAT(Fields("\x08"), ElementsAre("order_id"));
  EXPECT_THAT(Fields("\x08\x80"), ElementsAre("order_id"));
  EXPECT_THAT(Fields("\x80"), ElementsAre(""));
  EXPECT_THAT(Fields(std::string("\0\0", 2)), ElementsAre(""));
  EXPECT_THAT(Fields("\x0c"), ElementsAre("order_id")) << "the end of a group that never began";
  EXPECT_THAT(Fields(std::string("\x1a\x02\x12\x01", 4)), ElementsAre("items[0].price"));
  EXPECT_THAT(Fields("\x0a\x01x"), ElementsAre("order_id")) << "another wire type";
  EXPECT_THAT(Fields("\x92\x01\x03\x01\x02\x83", "shop.v1.Everything"), ElementsAre("int64s[2]")) << "packed";
}

TEST_F(WireCheckTest, Groups) {
  shop::v2::Old old;
  old.set_name("x");
  old.mutable_part()->set_number(1);
  EXPECT_THAT(Fields(old), ElementsAre("part"));
}

TEST_F(WireCheckTest, Proto2) {
  shop::v2::Old old;
  EXPECT_THAT(Fields(old), ElementsAre("name"));
  old.set_name("");
  old.mutable_inner();
  EXPECT_THAT(Fields(old), ElementsAre("inner.name"));
  old.clear_inner();
  old.SetExtension(shop::v2::more, 1);
  EXPECT_THAT(Check(old.SerializeAsString(), "shop.v2.Old").front().description, HasSubstr("field number 100"));
  EXPECT_THAT(Fields(std::string("\x0a\0\x18\x09", 4), "shop.v2.Old"), ElementsAre("closed"));
  EXPECT_THAT(Fields(std::string("\x0a\0\x22\x03\x01\x02\x03", 7), "shop.v2.Old"), ElementsAre("several[2]"));
}

TEST_F(WireCheckTest, WhatHasAFormOfItsOwn) {
  shop::v1::Everything all;
  all.mutable_time()->set_seconds(253'402'300'800);
  all.mutable_length()->set_seconds(1);
  all.mutable_length()->set_nanos(-1);
  all.mutable_mask()->add_paths("camelCase");
  (*all.mutable_details()->mutable_fields())["a"];
  all.mutable_value()->set_number_value(std::numeric_limits<double>::infinity());
  all.mutable_list()->add_values();
  all.add_times();
  all.add_times()->set_nanos(1'000'000'000);
  EXPECT_THAT(Fields(all), ElementsAre("time", "length", "mask", "details", "value", "list", "times[1]"));
}

TEST_F(WireCheckTest, WhatAnAnyHolds) {
  shop::v1::Everything all;
  all.mutable_any()->set_type_url("type.googleapis.com/shop.v1.Missing");
  all.add_anys()->set_value("x");
  shop::v1::Order bad;
  bad.add_items()->set_sku("x");
  bad.mutable_items(0)->GetReflection()->MutableUnknownFields(bad.mutable_items(0))->AddVarint(9, 1);
  all.add_anys()->PackFrom(bad);
  all.add_anys()->PackFrom(google::protobuf::Timestamp());
  all.add_anys();
  EXPECT_THAT(Fields(all), ElementsAre("any", "anys[0]", "anys[1].items[0]"));
}

// Readers merge them: two halves of an Any would be one that nobody has looked at.
TEST_F(WireCheckTest, AMessageThatStandsTwice) {
  shop::v1::Order first;
  first.mutable_time()->set_seconds(1);
  shop::v1::Order second;
  second.mutable_time()->set_nanos(1);
  EXPECT_THAT(Fields(first.SerializeAsString() + second.SerializeAsString()), ElementsAre("time"));
  shop::v1::Order repeated;
  repeated.add_items();
  repeated.add_items();
  EXPECT_THAT(Fields(repeated), IsEmpty());
}

TEST_F(WireCheckTest, Nesting) {
  shop::v1::Everything all;
  shop::v1::Everything* innermost = &all;
  for (int i = 0; i < 30; ++i) innermost = innermost->mutable_inner();
  EXPECT_THAT(Fields(all), IsEmpty()) << "31 objects, and an empty list in the last";
  innermost->mutable_inner();
  EXPECT_THAT(Fields(all), SizeIs(1));
  innermost->mutable_inner()->mutable_inner()->mutable_inner();
  EXPECT_THAT(Check(all.SerializeAsString(), "shop.v1.Everything").front().description, HasSubstr("deeper than 32"));
}

// A message that takes little may take very much once it is parsed, and as text.
TEST_F(WireCheckTest, Memory) {
  std::string bytes;
  for (int i = 0; i < 10'000; ++i) bytes += std::string("\xa2\x01\0", 3);  // items {}
  EXPECT_THAT(Check(bytes, "shop.v1.Everything", 10 << 20), IsEmpty());
  auto violations = Check(bytes, "shop.v1.Everything", 100 << 10);
  ASSERT_THAT(violations, SizeIs(1));
  EXPECT_THAT(violations.front().description, HasSubstr("memory"));
}

TEST_F(WireCheckTest, NotMoreIsLookedForThanIsTold) {
  shop::v1::Order order;
  for (int i = 0; i < 100; ++i) {
    order.GetReflection()->MutableUnknownFields(order.add_items())->AddVarint(9, 1);
    order.mutable_items(i)->GetReflection()->MutableUnknownFields(order.mutable_items(i))->AddVarint(9, 1);
  }
  EXPECT_THAT(Fields(order), SizeIs(kMaxViolations));
}

}  // namespace
}  // namespace carillon::schema
