#include "gateway/schema/from_json.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/field_mask_util.h>
#include <google/protobuf/util/time_util.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "gateway/base/json_escape.h"
#include "gateway/base/utf8.h"
#include "gateway/schema/json_tree.h"
#include "gateway/schema/wire_check.h"

namespace carillon::schema {
namespace {

namespace protobuf = google::protobuf;
using protobuf::Descriptor;
using protobuf::FieldDescriptor;
using protobuf::Message;
using protobuf::Reflection;
using Kind = JsonNode::Kind;

constexpr size_t kMaxShownBytes = 64;
constexpr char kType[] = "@type";
constexpr char kValue[] = "value";

// Where the reader stands. Made into text only where something is wrong.
struct Place {
  const Place* parent = nullptr;
  std::string_view name;  // of a member; empty: of a list's entry, or the whole
  size_t index = 0;
  bool key = false;  // the name is a map's key

  std::string Text() const {
    if (parent == nullptr) return "";
    std::string text = parent->Text();
    std::string_view shown = Utf8Front(name, kMaxShownBytes);
    if (key) {
      text += '[';
      AppendJsonString(text, shown);
      text += ']';
    } else if (name.empty()) {
      text += fmt::format("[{}]", index);
    } else {
      if (!text.empty()) text += '.';
      text += shown;
    }
    return text;
  }
};

// What somebody wrote, to be told.
std::string Shown(const JsonNode& node) {
  switch (node.kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return node.truth ? "true" : "false";
    case Kind::kNumber:
      return std::string(Utf8Front(node.text, kMaxShownBytes));
    case Kind::kString: {
      std::string quoted;
      AppendJsonString(quoted, Utf8Front(node.text, kMaxShownBytes));
      return quoted;
    }
    case Kind::kArray:
      return "a list";
    case Kind::kObject:
      return "an object";
  }
  return "";
}

template <class Integer>
std::optional<Integer> Parse(std::string_view text) {
  Integer number{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Of a number that is written out.
bool HasLeadingZero(std::string_view text) {
  return text == "-0" || (text.size() > 1 && text[0] == '0') || (text.size() > 2 && text[0] == '-' && text[1] == '0');
}

template <class Number>
std::optional<Number> NumberOf(const JsonNode& node) {
  constexpr Number kInfinity = std::numeric_limits<Number>::infinity();
  if (node.kind == Kind::kString) {
    if (node.text == "NaN") return std::numeric_limits<Number>::quiet_NaN();
    if (node.text == "Infinity") return kInfinity;
    if (node.text == "-Infinity") return -kInfinity;
  } else if (node.kind != Kind::kNumber) {
    return std::nullopt;
  }
  // Other words for what is not finite, and hexadecimal digits, are for C.
  if (node.text.find_first_not_of("0123456789+-.eE") != std::string::npos) return std::nullopt;
  Number number{};
  bool read = false;
  if constexpr (std::is_same_v<Number, float>) {
    read = absl::SimpleAtof(node.text, &number);
  } else {
    read = absl::SimpleAtod(node.text, &number);
  }
  return read && std::isfinite(number) ? std::optional(number) : std::nullopt;
}

// 5, "5", and of numbers also 5.0 and 5e0, as far as doubles are exact.
template <class Integer>
std::optional<Integer> IntegerOf(const JsonNode& node) {
  if (node.kind != Kind::kNumber && node.kind != Kind::kString) return std::nullopt;
  if (auto plain = Parse<Integer>(node.text); plain.has_value() || node.kind == Kind::kString) return plain;
  constexpr double kExact = 9007199254740992.0;
  auto number = NumberOf<double>(node);
  if (!number.has_value() || std::trunc(*number) != *number || std::abs(*number) > kExact) return std::nullopt;
  if (*number < static_cast<double>(std::numeric_limits<Integer>::min()) ||
      *number > static_cast<double>(std::numeric_limits<Integer>::max())) {
    return std::nullopt;
  }
  return static_cast<Integer>(*number);
}

class Reader {
 public:
  Reader(const DescriptorSet& set, size_t memory, std::vector<Violation>* violations)
      : set_(set), memory_left_(memory), violations_(*violations) {}

  void Read(const JsonNode& node, Message& into, const Place& place) {
    if (Enough()) return;
    const Descriptor& type = *into.GetDescriptor();
    size_t takes = ObjectBytes(type);
    if (takes > memory_left_) {
      overflown_ = true;
      return Add(place, "is more than fits into the memory that one message may take");
    }
    memory_left_ -= takes;
    switch (FormOf(type)) {
      case Form::kAny:
        return ReadAny(node, into, place);
      case Form::kTimestamp:
        return ReadText<protobuf::Timestamp>(node, into, place, [](const std::string& text, auto* known) {
          return protobuf::util::TimeUtil::FromString(text, known);
        });
      case Form::kDuration:
        return ReadText<protobuf::Duration>(node, into, place, [](const std::string& text, auto* known) {
          return protobuf::util::TimeUtil::FromString(text, known);
        });
      case Form::kFieldMask:
        return ReadText<protobuf::FieldMask>(node, into, place, [](const std::string& text, auto* known) {
          return protobuf::util::FieldMaskUtil::FromJsonString(text, known);
        });
      case Form::kStruct:
        return node.kind == Kind::kObject ? ReadValue(node, into, place, &protobuf::Value::struct_value)
                                          : Wrong(node, type.full_name(), place);
      case Form::kListValue:
        return node.kind == Kind::kArray ? ReadValue(node, into, place, &protobuf::Value::list_value)
                                         : Wrong(node, type.full_name(), place);
      case Form::kValue: {
        protobuf::Value value;
        Fill(node, place, &value);
        return Take(value, into);
      }
      case Form::kWrapper:
        return ReadOne(node, into, *type.field(0), place, false);
      case Form::kObject:
        if (node.kind != Kind::kObject) return Wrong(node, type.full_name(), place);
        return ReadMembers(node, into, place, false);
    }
  }

 private:
  bool Enough() const { return violations_.size() >= kMaxViolations || overflown_; }

  void Add(const Place& place, std::string description) {
    if (violations_.size() < kMaxViolations) violations_.push_back({place.Text(), std::move(description)});
  }
  void Wrong(const JsonNode& node, std::string_view needed, const Place& place) {
    Add(place, fmt::format("is {}, and a value of {} is needed", Shown(node), needed));
  }

  // --- Fields ---

  void ReadMembers(const JsonNode& node, Message& into, const Place& place, bool any) {
    std::set<const FieldDescriptor*> seen;
    for (size_t i = 0; i < node.entries.size() && !Enough(); ++i) {
      const std::string& name = node.names[i];
      const JsonNode& entry = node.entries[i];
      if (any && name == kType) continue;
      Place at{&place, name};
      const FieldDescriptor* field = FieldNamed(*into.GetDescriptor(), name);
      if (field == nullptr) {
        Add(at, fmt::format("is no field of {}", into.GetDescriptor()->full_name()));
      } else if (!seen.insert(field).second) {
        Add(at, "is there twice, by two names");
      } else if (field->type() == FieldDescriptor::TYPE_GROUP) {
        Add(at, "is a group, which has no JSON");
      } else if (entry.kind != Kind::kNull || TakesNull(*field)) {  // else it is absent
        ReadField(entry, into, *field, at);
      }
    }
  }

  static const FieldDescriptor* FieldNamed(const Descriptor& type, const std::string& name) {
    if (const FieldDescriptor* field = type.FindFieldByName(name)) return field;
    const FieldDescriptor* field = type.FindFieldByCamelcaseName(name);
    if (field != nullptr && field->json_name() == name) return field;
    for (int i = 0; i < type.field_count(); ++i) {
      if (type.field(i)->json_name() == name) return type.field(i);
    }
    return nullptr;
  }

  static bool TakesNull(const FieldDescriptor& field) {
    if (field.is_repeated()) return false;
    if (field.type() == FieldDescriptor::TYPE_ENUM) return IsNullValue(field);
    return field.type() == FieldDescriptor::TYPE_MESSAGE && FormOf(*field.message_type()) == Form::kValue;
  }

  static bool IsNullValue(const FieldDescriptor& field) {
    return field.enum_type()->full_name() == "google.protobuf.NullValue";
  }

  void ReadField(const JsonNode& node, Message& into, const FieldDescriptor& field, const Place& place) {
    if (field.is_map()) return ReadMap(node, into, field, place);
    if (!field.is_repeated()) {
      const protobuf::OneofDescriptor* oneof = field.real_containing_oneof();
      if (oneof != nullptr && into.GetReflection()->HasOneof(into, oneof)) {
        return Add(place, fmt::format("is there beside {}: one of the two",
                                      into.GetReflection()->GetOneofFieldDescriptor(into, oneof)->json_name()));
      }
      return ReadOne(node, into, field, place, false);
    }
    if (node.kind != Kind::kArray) return Add(place, fmt::format("is {}, and a list is needed", Shown(node)));
    for (size_t i = 0; i < node.entries.size() && !Enough(); ++i) {
      ReadOne(node.entries[i], into, field, {&place, "", i}, true);
    }
  }

  void ReadMap(const JsonNode& node, Message& into, const FieldDescriptor& field, const Place& place) {
    if (node.kind != Kind::kObject) return Add(place, fmt::format("is {}, and an object is needed", Shown(node)));
    const FieldDescriptor& key = *field.message_type()->map_key();
    for (size_t i = 0; i < node.entries.size() && !Enough(); ++i) {
      Place at{&place, node.names[i], 0, true};
      Message& entry = *into.GetReflection()->AddMessage(&into, &field);
      JsonNode name{.kind = Kind::kString, .text = node.names[i]};
      if (key.type() == FieldDescriptor::TYPE_BOOL && (name.text == "true" || name.text == "false")) {
        name.kind = Kind::kBool;
        name.truth = name.text == "true";
      }
      if (key.type() != FieldDescriptor::TYPE_STRING && HasLeadingZero(name.text)) {
        Add(at, "is a number with a zero before it, and may be another key's number");
        continue;
      }
      ReadOne(name, entry, key, at, false);
      ReadOne(node.entries[i], entry, *field.message_type()->map_value(), at, false);
    }
  }

  // A field that is not repeated, or one entry more of one that is.
  void ReadOne(const JsonNode& node, Message& into, const FieldDescriptor& field, const Place& place, bool add) {
    const Reflection& to = *into.GetReflection();
    auto put = [&](const auto& value, auto set, auto append) {
      if (!value.has_value()) return Wrong(node, field.type_name(), place);
      add ? (to.*append)(&into, &field, *value) : (to.*set)(&into, &field, *value);
    };
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return put(IntegerOf<int32_t>(node), &Reflection::SetInt32, &Reflection::AddInt32);
      case FieldDescriptor::CPPTYPE_INT64:
        return put(IntegerOf<int64_t>(node), &Reflection::SetInt64, &Reflection::AddInt64);
      case FieldDescriptor::CPPTYPE_UINT32:
        return put(IntegerOf<uint32_t>(node), &Reflection::SetUInt32, &Reflection::AddUInt32);
      case FieldDescriptor::CPPTYPE_UINT64:
        return put(IntegerOf<uint64_t>(node), &Reflection::SetUInt64, &Reflection::AddUInt64);
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return put(NumberOf<double>(node), &Reflection::SetDouble, &Reflection::AddDouble);
      case FieldDescriptor::CPPTYPE_FLOAT:
        return put(NumberOf<float>(node), &Reflection::SetFloat, &Reflection::AddFloat);
      case FieldDescriptor::CPPTYPE_BOOL:
        return put(node.kind == Kind::kBool ? std::optional(node.truth) : std::nullopt, &Reflection::SetBool,
                   &Reflection::AddBool);
      case FieldDescriptor::CPPTYPE_ENUM: {
        std::optional<int> number = EnumOf(node, field);
        if (!number.has_value()) return Wrong(node, field.enum_type()->full_name(), place);
        add ? to.AddEnumValue(&into, &field, *number) : to.SetEnumValue(&into, &field, *number);
        return;
      }
      case FieldDescriptor::CPPTYPE_STRING:
        return ReadString(node, into, field, place, add);
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Read(node, add ? *to.AddMessage(&into, &field) : *to.MutableMessage(&into, &field), place);
    }
  }

  static std::optional<int> EnumOf(const JsonNode& node, const FieldDescriptor& field) {
    const protobuf::EnumDescriptor& type = *field.enum_type();
    if (node.kind == Kind::kNull) return IsNullValue(field) ? std::optional(0) : std::nullopt;
    if (node.kind == Kind::kString) {
      const protobuf::EnumValueDescriptor* value = type.FindValueByName(node.text);
      return value == nullptr ? std::nullopt : std::optional(value->number());
    }
    std::optional<int> number = IntegerOf<int>(node);
    bool closed = type.file()->syntax() == protobuf::FileDescriptor::SYNTAX_PROTO2;
    if (number.has_value() && closed && type.FindValueByNumber(*number) == nullptr) return std::nullopt;
    return number;
  }

  void ReadString(const JsonNode& node, Message& into, const FieldDescriptor& field, const Place& place, bool add) {
    const Reflection& to = *into.GetReflection();
    if (node.kind != Kind::kString) return Wrong(node, field.type_name(), place);
    std::string text = node.text;
    if (field.type() == FieldDescriptor::TYPE_BYTES && !absl::Base64Unescape(node.text, &text) &&
        !absl::WebSafeBase64Unescape(node.text, &text)) {
      return Add(place, "is no base64");
    }
    add ? to.AddString(&into, &field, std::move(text)) : to.SetString(&into, &field, std::move(text));
  }

  // --- Forms of their own ---

  // What protobuf's own class holds, into the message of the set.
  template <class Known>
  static void Take(const Known& known, Message& into) {
    into.ParsePartialFromString(known.SerializeAsString());
  }

  template <class Known, class FromText>
  void ReadText(const JsonNode& node, Message& into, const Place& place, FromText from_text) {
    Known known;
    if (node.kind != Kind::kString || !from_text(node.text, &known)) {
      return Wrong(node, into.GetDescriptor()->full_name(), place);
    }
    Take(known, into);
  }

  template <class Part>
  void ReadValue(const JsonNode& node, Message& into, const Place& place, Part part) {
    protobuf::Value value;
    Fill(node, place, &value);
    Take((value.*part)(), into);
  }

  void Fill(const JsonNode& node, const Place& place, protobuf::Value* value) {
    switch (node.kind) {
      case Kind::kNull:
        return value->set_null_value(protobuf::NULL_VALUE);
      case Kind::kBool:
        return value->set_bool_value(node.truth);
      case Kind::kString:
        return value->set_string_value(node.text);
      case Kind::kNumber: {
        std::optional<double> number = NumberOf<double>(node);
        if (!number.has_value()) return Wrong(node, "google.protobuf.Value", place);
        return value->set_number_value(*number);
      }
      case Kind::kArray:
        value->mutable_list_value();
        for (size_t i = 0; i < node.entries.size(); ++i) {
          Fill(node.entries[i], {&place, "", i}, value->mutable_list_value()->add_values());
        }
        return;
      case Kind::kObject: {
        auto& fields = *value->mutable_struct_value()->mutable_fields();
        for (size_t i = 0; i < node.entries.size(); ++i) {
          Fill(node.entries[i], {&place, node.names[i], 0, true}, &fields[node.names[i]]);
        }
        return;
      }
    }
  }

  static const JsonNode* Member(const JsonNode& node, std::string_view name) {
    for (size_t i = 0; i < node.entries.size(); ++i) {
      if (node.names[i] == name) return &node.entries[i];
    }
    return nullptr;
  }

  void ReadAny(const JsonNode& node, Message& into, const Place& place) {
    if (node.kind != Kind::kObject) return Wrong(node, "google.protobuf.Any", place);
    if (node.entries.empty()) return;
    const JsonNode* url = Member(node, kType);
    if (url == nullptr || url->kind != Kind::kString) return Add({&place, kType}, "is missing: the type of an Any");
    const Descriptor* type = set_.Find(TypeInUrl(url->text));
    if (type == nullptr) {
      return Add({&place, kType}, fmt::format("is {}, which the set of its type does not have", Shown(*url)));
    }
    std::unique_ptr<Message> inner = set_.NewMessage(type);
    if (FormOf(*type) == Form::kObject) {
      ReadMembers(node, *inner, place, true);
    } else {
      const JsonNode* value = Member(node, kValue);
      if (value == nullptr || node.entries.size() != 2) {
        return Add({&place, kValue}, fmt::format("and nothing else goes with {}", type->full_name()));
      }
      Read(*value, *inner, {&place, kValue});
    }
    protobuf::Any any;
    any.set_type_url(url->text);
    any.set_value(inner->SerializePartialAsString());
    Take(any, into);
  }

  const DescriptorSet& set_;
  size_t memory_left_;
  bool overflown_ = false;
  std::vector<Violation>& violations_;
};

}  // namespace

std::unique_ptr<Message> FromJson(const DescriptorSet& set, const Descriptor* type, std::string_view text,
                                  size_t memory, std::vector<Violation>* violations) {
  auto node = ReadJson(text);
  if (!node.ok()) {
    violations->push_back({"", MessageOf(node.status())});
    return nullptr;
  }
  std::unique_ptr<Message> message = set.NewMessage(type);
  Reader(set, memory, violations).Read(*node, *message, {});
  return violations->empty() ? std::move(message) : nullptr;
}

}  // namespace carillon::schema
