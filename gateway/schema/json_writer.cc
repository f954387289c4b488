#include "gateway/schema/json_writer.h"

#include <fmt/format.h>
#include <google/protobuf/any.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/field_mask_util.h>
#include <google/protobuf/util/time_util.h>

#include <cmath>
#include <map>

#include "absl/strings/escaping.h"
#include "gateway/base/json_escape.h"
#include "gateway/schema/wire_check.h"

namespace carillon::schema {
namespace {

namespace protobuf = google::protobuf;
using protobuf::FieldDescriptor;
using protobuf::Message;
using protobuf::Reflection;

class Writer {
 public:
  Writer(const DescriptorSet& set, size_t max_bytes) : set_(set), max_bytes_(max_bytes) {}

  void Write(const Message& message) {
    switch (FormOf(*message.GetDescriptor())) {
      case Form::kObject:
        out_ += '{';
        WriteFields(message, "");
        out_ += '}';
        return;
      case Form::kAny:
        return WriteAny(As<protobuf::Any>(message));
      case Form::kTimestamp:
        return Quote(protobuf::util::TimeUtil::ToString(As<protobuf::Timestamp>(message)));
      case Form::kDuration:
        return Quote(protobuf::util::TimeUtil::ToString(As<protobuf::Duration>(message)));
      case Form::kFieldMask: {
        std::string text;
        protobuf::util::FieldMaskUtil::ToJsonString(As<protobuf::FieldMask>(message), &text);
        return Quote(text);
      }
      case Form::kStruct:
        return Write(As<protobuf::Struct>(message));
      case Form::kValue:
        return Write(As<protobuf::Value>(message));
      case Form::kListValue:
        return Write(As<protobuf::ListValue>(message));
      case Form::kWrapper:
        return WriteOne(message, *message.GetDescriptor()->field(0), -1);
    }
  }

  std::string Take() { return std::move(out_); }

 private:
  bool Full() const { return out_.size() > max_bytes_; }

  void Quote(std::string_view text) { AppendJsonString(out_, text); }

  // A message of a set, as the class that protobuf's own functions know.
  template <class Known>
  static Known As(const Message& message) {
    Known known;
    known.ParsePartialFromString(message.SerializePartialAsString());
    return known;
  }

  void Name(std::string_view name, std::string_view* comma) {
    out_ += *comma;
    *comma = ",";
    Quote(name);
    out_ += ':';
  }

  // --- Fields ---

  void WriteFields(const Message& message, std::string_view comma) {
    const protobuf::Descriptor& type = *message.GetDescriptor();
    const Reflection& reflection = *message.GetReflection();
    for (int i = 0; i < type.field_count() && !Full(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (field.is_repeated()) {
        Name(field.json_name(), &comma);
        field.is_map() ? WriteMap(message, field) : WriteList(message, field);
      } else if (!field.has_presence() || reflection.HasField(message, &field)) {
        Name(field.json_name(), &comma);
        WriteOne(message, field, -1);
      }
    }
  }

  void WriteList(const Message& message, const FieldDescriptor& field) {
    out_ += '[';
    for (int i = 0; i < message.GetReflection()->FieldSize(message, &field) && !Full(); ++i) {
      if (i > 0) out_ += ',';
      WriteOne(message, field, i);
    }
    out_ += ']';
  }

  void WriteMap(const Message& message, const FieldDescriptor& field) {
    const FieldDescriptor& key = *field.message_type()->map_key();
    const FieldDescriptor& value = *field.message_type()->map_value();
    std::map<std::string, const Message*> entries;
    for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
      const Message& entry = message.GetReflection()->GetRepeatedMessage(message, &field, i);
      entries[TextOf(entry, key)] = &entry;
    }
    std::string_view comma;
    out_ += '{';
    for (const auto& [name, entry] : entries) {
      if (Full()) break;
      Name(name, &comma);
      WriteOne(*entry, value, -1);
    }
    out_ += '}';
  }

  static std::string TextOf(const Message& entry, const FieldDescriptor& key) {
    const Reflection& from = *entry.GetReflection();
    switch (key.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return std::to_string(from.GetInt32(entry, &key));
      case FieldDescriptor::CPPTYPE_UINT32:
        return std::to_string(from.GetUInt32(entry, &key));
      case FieldDescriptor::CPPTYPE_INT64:
        return std::to_string(from.GetInt64(entry, &key));
      case FieldDescriptor::CPPTYPE_UINT64:
        return std::to_string(from.GetUInt64(entry, &key));
      case FieldDescriptor::CPPTYPE_BOOL:
        return from.GetBool(entry, &key) ? "true" : "false";
      default:
        return from.GetString(entry, &key);
    }
  }

  // A field that is not repeated (-1), or one entry of one that is.
  void WriteOne(const Message& message, const FieldDescriptor& field, int index) {
    const Reflection& from = *message.GetReflection();
    bool one = index < 0;
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        out_ += std::to_string(one ? from.GetInt32(message, &field) : from.GetRepeatedInt32(message, &field, index));
        return;
      case FieldDescriptor::CPPTYPE_UINT32:
        out_ += std::to_string(one ? from.GetUInt32(message, &field) : from.GetRepeatedUInt32(message, &field, index));
        return;
      case FieldDescriptor::CPPTYPE_INT64:  // as text: numbers of JavaScript are exact up to 2^53 only
        return Quote(
            std::to_string(one ? from.GetInt64(message, &field) : from.GetRepeatedInt64(message, &field, index)));
      case FieldDescriptor::CPPTYPE_UINT64:
        return Quote(
            std::to_string(one ? from.GetUInt64(message, &field) : from.GetRepeatedUInt64(message, &field, index)));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return WriteNumber(one ? from.GetDouble(message, &field) : from.GetRepeatedDouble(message, &field, index));
      case FieldDescriptor::CPPTYPE_FLOAT:
        return WriteNumber(one ? from.GetFloat(message, &field) : from.GetRepeatedFloat(message, &field, index));
      case FieldDescriptor::CPPTYPE_BOOL:
        out_ += (one ? from.GetBool(message, &field) : from.GetRepeatedBool(message, &field, index)) ? "true" : "false";
        return;
      case FieldDescriptor::CPPTYPE_ENUM:
        return WriteEnum(field,
                         one ? from.GetEnumValue(message, &field) : from.GetRepeatedEnumValue(message, &field, index));
      case FieldDescriptor::CPPTYPE_STRING: {
        std::string kept;
        const std::string& text = one ? from.GetStringReference(message, &field, &kept)
                                      : from.GetRepeatedStringReference(message, &field, index, &kept);
        return field.type() == FieldDescriptor::TYPE_BYTES ? Quote(absl::Base64Escape(text)) : Quote(text);
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Write(one ? from.GetMessage(message, &field) : from.GetRepeatedMessage(message, &field, index));
    }
  }

  // The shortest text that is read as the same number.
  template <class Number>
  void WriteNumber(Number number) {
    if (std::isfinite(number)) {
      out_ += fmt::format("{}", number);
    } else {
      out_ += std::isnan(number) ? "\"NaN\"" : number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    }
  }

  void WriteEnum(const FieldDescriptor& field, int number) {
    if (field.enum_type()->full_name() == "google.protobuf.NullValue") {
      out_ += "null";
      return;
    }
    const protobuf::EnumValueDescriptor* value = field.enum_type()->FindValueByNumber(number);
    if (value == nullptr) {
      out_ += std::to_string(number);
    } else {
      Quote(value->name());
    }
  }

  // --- Forms of their own ---

  void WriteAny(const protobuf::Any& any) {
    out_ += '{';
    const protobuf::Descriptor* type = set_.Find(TypeInUrl(any.type_url()));
    if (type != nullptr) {
      out_ += "\"@type\":";
      Quote(any.type_url());
      std::unique_ptr<Message> inner = set_.NewMessage(type);
      inner->ParsePartialFromString(any.value());
      if (FormOf(*type) == Form::kObject) {
        WriteFields(*inner, ",");
      } else {
        out_ += ",\"value\":";
        Write(*inner);
      }
    }
    out_ += '}';
  }

  void Write(const protobuf::Struct& value) {
    std::map<std::string_view, const protobuf::Value*> sorted;
    for (const auto& [key, field] : value.fields()) sorted[key] = &field;
    out_ += '{';
    std::string_view comma;
    for (const auto& [key, field] : sorted) {
      if (Full()) break;
      Name(key, &comma);
      Write(*field);
    }
    out_ += '}';
  }

  void Write(const protobuf::ListValue& value) {
    out_ += '[';
    for (int i = 0; i < value.values_size() && !Full(); ++i) {
      if (i > 0) out_ += ',';
      Write(value.values(i));
    }
    out_ += ']';
  }

  void Write(const protobuf::Value& value) {
    switch (value.kind_case()) {
      case protobuf::Value::kNumberValue:
        return WriteNumber(value.number_value());
      case protobuf::Value::kStringValue:
        return Quote(value.string_value());
      case protobuf::Value::kBoolValue:
        out_ += value.bool_value() ? "true" : "false";
        return;
      case protobuf::Value::kStructValue:
        return Write(value.struct_value());
      case protobuf::Value::kListValue:
        return Write(value.list_value());
      default:
        out_ += "null";
    }
  }

  const DescriptorSet& set_;
  const size_t max_bytes_;
  std::string out_;
};

}  // namespace

std::string JsonOf(const DescriptorSet& set, const Message& message, size_t max_bytes) {
  Writer writer(set, max_bytes);
  writer.Write(message);
  return writer.Take();
}

}  // namespace carillon::schema
