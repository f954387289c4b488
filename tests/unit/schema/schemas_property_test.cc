// Random messages against protobuf's own JSON: what we write is read as the same message by protobuf, and by us.
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <google/protobuf/util/time_util.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "gateway/schema/schemas.h"
#include "gateway/wire/json_check.h"
#include "tests/support/seed.h"
#include "tests/support/shop_set.h"

namespace carillon::schema {
namespace {

namespace protobuf = google::protobuf;
using protobuf::FieldDescriptor;
using protobuf::Message;
using protobuf::Reflection;

template <class Number>
Number AtTheEnds(test::Random& random) {
  using Limits = std::numeric_limits<Number>;
  switch (random.Below(5)) {
    case 0:
      return Limits::max();
    case 1:
      return Limits::lowest();
    case 2:
      return 0;
    case 3:
      return static_cast<Number>(random.Below(100));
    default:
      return static_cast<Number>(random.Bits());
  }
}

double AnyDouble(test::Random& random) {
  auto number = std::bit_cast<double>(random.Bits());
  if (random.OneIn(2)) return static_cast<double>(random.Below(1000)) / 8;
  return std::isnan(number) ? std::numeric_limits<double>::infinity() : number;
}

float AnyFloat(test::Random& random) {
  auto number = std::bit_cast<float>(static_cast<uint32_t>(random.Bits()));
  return std::isnan(number) ? -std::numeric_limits<float>::infinity() : number;
}

std::string AnyText(test::Random& random) {
  static const std::string pieces[] = {"a",      "\"", "\\", "\n", "é", "☃", "😀", std::string(1, '\0'),
                                       "\u2028", "]",  "): "};
  std::string text;
  for (size_t i = random.Below(5); i > 0; --i) text += pieces[random.Below(std::size(pieces))];
  return text;
}

class Maker {
 public:
  explicit Maker(test::Random& random) : random_(random) {}

  void Fill(Message& message, int depth) {
    const std::string& name = message.GetDescriptor()->full_name();
    if (name == "google.protobuf.Timestamp" || name == "google.protobuf.Duration") return FillTime(message, name);
    if (name == "google.protobuf.FieldMask") {
      static_cast<protobuf::FieldMask&>(message).add_paths("a_b.c");
      return;
    }
    if (name == "google.protobuf.Any") return FillAny(static_cast<protobuf::Any&>(message), depth);
    if (name == "google.protobuf.Value") return FillValue(static_cast<protobuf::Value&>(message), depth);
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor& field = *message.GetDescriptor()->field(i);
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && depth == 0) continue;
      if (field.is_map()) {
        for (size_t n = random_.Below(3); n > 0; --n) FillEntry(message, field, depth);
      } else if (field.is_repeated()) {
        for (size_t n = random_.Below(4); n > 0; --n) Add(message, field, depth);
      } else if (random_.OneIn(3)) {
        Set(message, field, depth);
      }
    }
  }

 private:
  void FillTime(Message& message, const std::string& name) {
    bool time = name == "google.protobuf.Timestamp";
    auto seconds = static_cast<int64_t>(random_.Below(253'402'300'799));
    auto nanos =
        static_cast<int32_t>(random_.OneIn(2) ? random_.Below(1000) * 1'000'000 : random_.Below(1'000'000'000));
    if (time) {
      static_cast<protobuf::Timestamp&>(message).set_seconds(seconds - 62'135'596'800);
      if (seconds < 62'135'596'800) static_cast<protobuf::Timestamp&>(message).set_seconds(-seconds / 5);
      static_cast<protobuf::Timestamp&>(message).set_nanos(nanos);
    } else {
      int sign = random_.OneIn(2) ? 1 : -1;
      static_cast<protobuf::Duration&>(message).set_seconds(sign * seconds);
      static_cast<protobuf::Duration&>(message).set_nanos(sign * nanos);
    }
  }

  void FillAny(protobuf::Any& any, int depth) {
    if (random_.OneIn(2)) {
      shop::v1::Item item;
      Fill(item, depth);
      any.PackFrom(item);
    } else {
      protobuf::Timestamp time;
      FillTime(time, "google.protobuf.Timestamp");
      any.PackFrom(time);
    }
  }

  void FillValue(protobuf::Value& value, int depth) {
    switch (random_.Below(depth == 0 ? 4 : 6)) {
      case 0:
        return value.set_null_value(protobuf::NULL_VALUE);
      case 1: {
        double number = AnyDouble(random_);
        return value.set_number_value(std::isfinite(number) ? number : 1);
      }
      case 2:
        return value.set_string_value(AnyText(random_));
      case 3:
        return value.set_bool_value(random_.OneIn(2));
      case 4:
        return Fill(*value.mutable_struct_value(), depth - 1);
      default:
        return Fill(*value.mutable_list_value(), depth - 1);
    }
  }

  void FillEntry(Message& message, const FieldDescriptor& field, int depth) {
    std::unique_ptr<Message> entry(
        message.GetReflection()->GetMessageFactory()->GetPrototype(field.message_type())->New());
    Set(*entry, *field.message_type()->map_key(), depth);
    const FieldDescriptor& value = *field.message_type()->map_value();
    if (value.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      Fill(*entry->GetReflection()->MutableMessage(entry.get(), &value), depth - 1);
    } else {
      Set(*entry, value, depth);
    }
    std::unique_ptr<Message> holder(message.New());
    holder->GetReflection()->AddMessage(holder.get(), &field)->CopyFrom(*entry);
    message.MergeFromString(holder->SerializeAsString());  // so that a key is there once
  }

  void Set(Message& message, const FieldDescriptor& field, int depth) {
    const Reflection& to = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return to.SetInt32(&message, &field, AtTheEnds<int32_t>(random_));
      case FieldDescriptor::CPPTYPE_INT64:
        return to.SetInt64(&message, &field, AtTheEnds<int64_t>(random_));
      case FieldDescriptor::CPPTYPE_UINT32:
        return to.SetUInt32(&message, &field, AtTheEnds<uint32_t>(random_));
      case FieldDescriptor::CPPTYPE_UINT64:
        return to.SetUInt64(&message, &field, AtTheEnds<uint64_t>(random_));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return to.SetDouble(&message, &field, AnyDouble(random_));
      case FieldDescriptor::CPPTYPE_FLOAT:
        return to.SetFloat(&message, &field, AnyFloat(random_));
      case FieldDescriptor::CPPTYPE_BOOL:
        return to.SetBool(&message, &field, random_.OneIn(2));
      case FieldDescriptor::CPPTYPE_ENUM:
        return to.SetEnumValue(&message, &field, EnumFor(field));
      case FieldDescriptor::CPPTYPE_STRING:
        return to.SetString(&message, &field, TextFor(field));
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Fill(*to.MutableMessage(&message, &field), depth - 1);
    }
  }

  void Add(Message& message, const FieldDescriptor& field, int depth) {
    const Reflection& to = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT64:
        return to.AddInt64(&message, &field, AtTheEnds<int64_t>(random_));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return to.AddDouble(&message, &field, AnyDouble(random_));
      case FieldDescriptor::CPPTYPE_ENUM:
        return to.AddEnumValue(&message, &field, EnumFor(field));
      case FieldDescriptor::CPPTYPE_STRING:
        return to.AddString(&message, &field, TextFor(field));
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Fill(*to.AddMessage(&message, &field), depth - 1);
      default:
        FAIL() << field.full_name();
    }
  }

  int EnumFor(const FieldDescriptor& field) {
    return field.enum_type()->name() == "NullValue" ? 0 : static_cast<int>(random_.Below(5));
  }

  std::string TextFor(const FieldDescriptor& field) {
    return field.type() == FieldDescriptor::TYPE_BYTES ? random_.Bytes(random_.Below(6)) : AnyText(random_);
  }

  test::Random& random_;
};

const Schemas& Shop() {
  static const auto* schemas = new Schemas({test::SetOf(test::ShopFiles())}, {}, 1 << 20);
  return *schemas;
}

TEST(SchemasPropertyTest, WhatIsWrittenIsReadAsTheSameMessage) {
  test::Random random;
  Maker maker(random);
  for (size_t i = 0; i < test::Scaled(3000); ++i) {
    shop::v1::Everything message;
    maker.Fill(message, 3);
    Checked checked = Shop().CheckBytes("shop.v1.Everything", message.SerializeAsString());
    ASSERT_TRUE(checked.ok()) << checked.violations[0].field << ": " << checked.violations[0].description
                              << message.DebugString();
    ASSERT_TRUE(wire::CheckUniqueMembers(checked.json).ok()) << checked.json;

    shop::v1::Everything theirs;
    auto read = protobuf::util::JsonStringToMessage(checked.json, &theirs);
    ASSERT_TRUE(read.ok()) << read.ToString() << checked.json;
    ASSERT_TRUE(protobuf::util::MessageDifferencer::Equals(message, theirs)) << checked.json << message.DebugString();

    Checked again = Shop().CheckJson("shop.v1.Everything", checked.json);
    ASSERT_TRUE(again.ok()) << again.violations[0].field << ": " << again.violations[0].description << checked.json;
    ASSERT_EQ(again.json, checked.json);

    std::string other;  // as protobuf writes it: without zeros, in another order, but of the same message
    ASSERT_TRUE(protobuf::util::MessageToJsonString(message, &other).ok());
    Checked ours = Shop().CheckJson("shop.v1.Everything", other);
    ASSERT_TRUE(ours.ok()) << ours.violations[0].field << ": " << ours.violations[0].description << other;
    ASSERT_EQ(ours.json, checked.json);
  }
}

// Whatever comes is JSON afterwards, or has a violation.
TEST(SchemasPropertyTest, Garbage) {
  test::Random random;
  Maker maker(random);
  for (size_t i = 0; i < test::Scaled(5000); ++i) {
    shop::v1::Everything message;
    maker.Fill(message, 2);
    std::string bytes = message.SerializeAsString();
    Checked good = Shop().CheckBytes("shop.v1.Everything", bytes);
    for (const Checked& checked : {Shop().CheckBytes("shop.v1.Everything", random.Mutated(bytes)),
                                   Shop().CheckJson("shop.v1.Everything", random.Mutated(good.json))}) {
      if (checked.ok()) {
        ASSERT_TRUE(wire::CheckJson(checked.json).ok()) << checked.json;
      }
    }
  }
}

}  // namespace
}  // namespace carillon::schema
