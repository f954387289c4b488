#include "gateway/schema/wire_check.h"

#include <fmt/format.h>
#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/field_mask_util.h>
#include <google/protobuf/util/time_util.h>
#include <google/protobuf/wire_format_lite.h>

#include <cmath>

#include "absl/container/flat_hash_map.h"
#include "gateway/base/json_escape.h"
#include "gateway/base/string_map.h"
#include "gateway/base/utf8.h"
#include "gateway/wire/json_check.h"

namespace carillon::schema {
namespace {

namespace protobuf = google::protobuf;
using protobuf::Descriptor;
using protobuf::FieldDescriptor;
using protobuf::internal::WireFormatLite;
using protobuf::io::CodedInputStream;

// What an object and a field of it take in memory, about.
constexpr size_t kObjectBytes = 64;
constexpr size_t kFieldBytes = 16;

constexpr size_t kMaxShownBytes = 64;

std::string_view Slice(std::string_view bytes, CodedInputStream& in, uint32_t length) {
  std::string_view slice = bytes.substr(static_cast<size_t>(in.CurrentPosition()), length);
  in.Skip(static_cast<int>(length));
  return slice;
}

CodedInputStream Reader(std::string_view bytes) {
  return CodedInputStream(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
}

// The key of a map's entry, as a path says it.
std::string KeyOf(const Descriptor& entry, std::string_view bytes) {
  const FieldDescriptor& key = *entry.map_key();
  std::string text = key.cpp_type() == FieldDescriptor::CPPTYPE_STRING ? "" : "0";
  CodedInputStream in = Reader(bytes);
  while (uint32_t tag = in.ReadTag()) {
    if (WireFormatLite::GetTagFieldNumber(tag) != key.number()) {
      if (!WireFormatLite::SkipField(&in, tag)) break;
      continue;
    }
    uint64_t number = 0;
    uint32_t length = 0;
    if (key.cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
      if (!in.ReadVarint64(&number)) break;
      text = std::to_string(static_cast<int64_t>(number));
    } else if (in.ReadVarint32(&length) && length <= bytes.size()) {
      text = Utf8Front(Slice(bytes, in, length), kMaxShownBytes);
    }
    break;
  }
  if (key.cpp_type() != FieldDescriptor::CPPTYPE_STRING) return text;
  std::string quoted;
  AppendJsonString(quoted, text);
  return quoted;
}

// Where the check stands. Made into text only where something is wrong.
struct Place {
  const Place* parent = nullptr;
  const FieldDescriptor* field = nullptr;
  int index = 0;           // of a repeated field
  std::string_view entry;  // of a map

  std::string Text() const {
    std::string text = parent == nullptr ? "" : parent->Text();
    if (field == nullptr || field->containing_type()->options().map_entry()) return text;
    if (!text.empty()) text += '.';
    text += field->name();
    if (field->is_map()) {
      text += fmt::format("[{}]", KeyOf(*field->message_type(), entry));
    } else if (field->is_repeated()) {
      text += fmt::format("[{}]", index);
    }
    return text;
  }
};

class Checker {
 public:
  Checker(const DescriptorSet& set, size_t memory) : set_(set), memory_left_(memory) {}

  // `depth`: how many objects and arrays the JSON of it stands in.
  void Check(const Descriptor& type, std::string_view bytes, const Place& place, int depth) {
    if (!Charge(ObjectBytes(type), place)) return;
    switch (FormOf(type)) {
      case Form::kAny:
        return CheckAny(bytes, place, depth);
      case Form::kTimestamp:
        return CheckTimestamp(bytes, place);
      case Form::kDuration:
        return CheckDuration(bytes, place);
      case Form::kFieldMask:
        return CheckFieldMask(bytes, place);
      case Form::kStruct:
        return CheckStruct<protobuf::Struct>(bytes, place, depth);
      case Form::kValue:
        return CheckStruct<protobuf::Value>(bytes, place, depth);
      case Form::kListValue:
        return CheckStruct<protobuf::ListValue>(bytes, place, depth);
      case Form::kWrapper:
        return CheckFields(type, bytes, place, depth);
      case Form::kObject:
        if (depth + 1 + (depth + 1 == wire::kMaxJsonDepth && HasLists(type) ? 1 : 0) > wire::kMaxJsonDepth) {
          return TooDeep(place);
        }
        return CheckFields(type, bytes, place, depth + 1);
    }
  }

  std::vector<Violation> Take() { return std::move(violations_); }

 private:
  bool Enough() const { return violations_.size() >= kMaxViolations || overflown_; }

  // False where so much does not fit any more.
  bool Charge(size_t bytes, const Place& place) {
    if (bytes > memory_left_) {
      overflown_ = true;
      Add(place, "is more than fits into the memory that one message may take");
      return false;
    }
    memory_left_ -= bytes;
    return true;
  }

  // Those are written also where they are empty.
  static bool HasLists(const Descriptor& type) {
    for (int i = 0; i < type.field_count(); ++i) {
      if (type.field(i)->is_repeated()) return true;
    }
    return false;
  }

  void Add(const Place& place, std::string description) {
    if (violations_.size() < kMaxViolations) violations_.push_back({place.Text(), std::move(description)});
  }
  void TooDeep(const Place& place) { Add(place, fmt::format("nests deeper than {}", wire::kMaxJsonDepth)); }
  void Broken(const Place& place) { Add(place, "is cut off, or is not the bytes of such a message"); }

  // --- Fields ---

  void CheckFields(const Descriptor& type, std::string_view bytes, const Place& place, int depth) {
    absl::flat_hash_map<int, int> counts;  // of repeated, required and message fields, by number
    CodedInputStream in = Reader(bytes);
    while (!Enough()) {
      uint32_t tag = in.ReadTag();
      if (tag == 0) {
        if (!in.ConsumedEntireMessage()) return Broken(place);
        return CheckRequired(type, counts, place);
      }
      const FieldDescriptor* field = type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
      if (field == nullptr) {
        Add(place, fmt::format("holds field number {}, which {} does not have", WireFormatLite::GetTagFieldNumber(tag),
                               type.full_name()));
        if (!WireFormatLite::SkipField(&in, tag)) return Broken(place);
        continue;
      }
      Place at{&place, field};
      bool message = field->type() == FieldDescriptor::TYPE_MESSAGE;
      if (!field->is_optional() || message) at.index = counts[field->number()]++;
      // Readers merge the two: what comes of that is nothing that was looked at here.
      if (message && !field->is_repeated() && at.index > 0) Add(at, "stands twice");
      if (!CheckField(*field, tag, bytes, in, at, depth)) return;
    }
  }

  void CheckRequired(const Descriptor& type, const absl::flat_hash_map<int, int>& counts, const Place& place) {
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (field.is_required() && !counts.contains(field.number())) Add({&place, &field}, "is required");
    }
  }

  // False where what follows cannot be read.
  bool CheckField(const FieldDescriptor& field, uint32_t tag, std::string_view bytes, CodedInputStream& in, Place& at,
                  int depth) {
    auto usual = WireFormatLite::WireTypeForFieldType(static_cast<WireFormatLite::FieldType>(field.type()));
    auto found = WireFormatLite::GetTagWireType(tag);
    if (field.type() == FieldDescriptor::TYPE_GROUP || found == WireFormatLite::WIRETYPE_START_GROUP ||
        found == WireFormatLite::WIRETYPE_END_GROUP) {
      Add(at, "is a group, which has no JSON");
      return WireFormatLite::SkipField(&in, tag);
    }
    bool packed = field.is_packable() && found == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
    if (found != usual && !packed) {
      Add(at, fmt::format("is not written as a {}", field.type_name()));
      return WireFormatLite::SkipField(&in, tag);
    }
    if (found != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (IsClosedEnum(field)) return CheckEnum(field, in, at);
      if (WireFormatLite::SkipField(&in, tag)) return true;
      Broken(at);
      return false;
    }
    uint32_t length = 0;
    if (!in.ReadVarint32(&length) || length > bytes.size() - static_cast<size_t>(in.CurrentPosition())) {
      Broken(at);
      return false;
    }
    std::string_view value = Slice(bytes, in, length);
    if (packed) {
      CheckPacked(field, value, at);
    } else if (field.type() == FieldDescriptor::TYPE_STRING) {
      if (!IsUtf8(value)) Add(at, "is text that is not UTF-8");
      return !field.is_repeated() || Charge(kObjectBytes, at);
    } else if (field.type() == FieldDescriptor::TYPE_MESSAGE) {
      CheckMessage(field, value, at, depth);
    }
    return true;
  }

  void CheckMessage(const FieldDescriptor& field, std::string_view value, Place& at, int depth) {
    if (field.is_map()) {  // {"key": value}: the entry itself is no object
      at.entry = value;
      if (depth >= wire::kMaxJsonDepth) return TooDeep(at);
      if (!Charge(kObjectBytes + 2 * kFieldBytes, at)) return;
      return CheckFields(*field.message_type(), value, at, depth + 1);
    }
    if (field.is_repeated() && ++depth > wire::kMaxJsonDepth) return TooDeep(at);
    Check(*field.message_type(), value, at, depth);
  }

  // Values that are not known would be lost: what reads them puts them aside.
  static bool IsClosedEnum(const FieldDescriptor& field) {
    return field.type() == FieldDescriptor::TYPE_ENUM &&
           field.enum_type()->file()->syntax() == protobuf::FileDescriptor::SYNTAX_PROTO2;
  }

  bool CheckEnum(const FieldDescriptor& field, CodedInputStream& in, const Place& at) {
    uint64_t number = 0;
    if (!in.ReadVarint64(&number)) {
      Broken(at);
      return false;
    }
    if (field.enum_type()->FindValueByNumber(static_cast<int>(number)) == nullptr) {
      Add(at, fmt::format("is {}, which {} does not have", static_cast<int>(number), field.enum_type()->full_name()));
    }
    return true;
  }

  void CheckPacked(const FieldDescriptor& field, std::string_view bytes, Place& at) {
    auto type = WireFormatLite::WireTypeForFieldType(static_cast<WireFormatLite::FieldType>(field.type()));
    uint32_t tag = WireFormatLite::MakeTag(field.number(), type);
    CodedInputStream in = Reader(bytes);
    while (!Enough() && static_cast<size_t>(in.CurrentPosition()) < bytes.size()) {
      if (IsClosedEnum(field)) {
        if (!CheckEnum(field, in, at)) return;
      } else if (!WireFormatLite::SkipField(&in, tag)) {
        return Broken(at);
      }
      ++at.index;
    }
  }

  // --- Forms of their own ---

  template <class Known>
  bool Read(std::string_view bytes, const Place& place, Known* into) {
    if (into->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return true;
    Broken(place);
    return false;
  }

  void CheckAny(std::string_view bytes, const Place& place, int depth) {
    protobuf::Any any;
    if (!Read(bytes, place, &any)) return;
    if (any.type_url().empty() && any.value().empty()) {  // {}
      if (depth >= wire::kMaxJsonDepth) TooDeep(place);
      return;
    }
    std::string name = TypeInUrl(any.type_url());
    const Descriptor* type = set_.Find(name);
    if (type == nullptr) {
      return Add(place, fmt::format("holds a {}, which the set of its type does not have",
                                    name.empty() ? "message without a type" : std::string(Utf8Front(name, 128))));
    }
    // {"@type": …, "value": …}
    if (FormOf(*type) != Form::kObject && ++depth > wire::kMaxJsonDepth) return TooDeep(place);
    std::string value = std::move(*any.mutable_value());  // what refers to it ends before it does
    Check(*type, value, place, depth);
  }

  void CheckTimestamp(std::string_view bytes, const Place& place) {
    protobuf::Timestamp time;
    if (!Read(bytes, place, &time)) return;
    using Util = protobuf::util::TimeUtil;
    bool sound = time.seconds() >= Util::kTimestampMinSeconds && time.seconds() <= Util::kTimestampMaxSeconds &&
                 time.nanos() >= 0 && time.nanos() < 1'000'000'000;
    if (!sound) Add(place, "is no time from the year 1 to the year 9999");
  }

  void CheckDuration(std::string_view bytes, const Place& place) {
    protobuf::Duration length;
    if (!Read(bytes, place, &length)) return;
    using Util = protobuf::util::TimeUtil;
    bool one_sign = (length.seconds() <= 0 || length.nanos() >= 0) && (length.seconds() >= 0 || length.nanos() <= 0);
    bool sound = length.seconds() >= Util::kDurationMinSeconds && length.seconds() <= Util::kDurationMaxSeconds &&
                 std::abs(static_cast<int64_t>(length.nanos())) < 1'000'000'000 && one_sign;
    if (!sound) Add(place, "is no duration of at most 10,000 years, with one sign");
  }

  void CheckFieldMask(std::string_view bytes, const Place& place) {
    protobuf::FieldMask mask;
    if (!Read(bytes, place, &mask)) return;
    std::string text;
    if (!protobuf::util::FieldMaskUtil::ToJsonString(mask, &text)) {
      Add(place, "has a path that lowerCamelCase cannot say");
    }
  }

  template <class Known>
  void CheckStruct(std::string_view bytes, const Place& place, int depth) {
    Known known;
    if (!Charge(bytes.size() * kObjectBytes / 2, place)) return;  // at most: every two bytes may be a value
    if (!Read(bytes, place, &known)) return;
    if (std::string why = Problem(known, depth); !why.empty()) Add(place, std::move(why));
  }

  static std::string Problem(const protobuf::Value& value, int depth) {
    switch (value.kind_case()) {
      case protobuf::Value::KIND_NOT_SET:
        return "holds a value of no kind";
      case protobuf::Value::kNumberValue:
        return std::isfinite(value.number_value()) ? "" : "holds a number that is not finite, which JSON cannot say";
      case protobuf::Value::kStructValue:
        return Problem(value.struct_value(), depth);
      case protobuf::Value::kListValue:
        return Problem(value.list_value(), depth);
      default:
        return "";
    }
  }

  static std::string Problem(const protobuf::Struct& value, int depth) {
    if (depth >= wire::kMaxJsonDepth) return fmt::format("nests deeper than {}", wire::kMaxJsonDepth);
    for (const auto& [key, field] : value.fields()) {
      if (std::string why = Problem(field, depth + 1); !why.empty()) return why;
    }
    return "";
  }

  static std::string Problem(const protobuf::ListValue& value, int depth) {
    if (depth >= wire::kMaxJsonDepth) return fmt::format("nests deeper than {}", wire::kMaxJsonDepth);
    for (const protobuf::Value& entry : value.values()) {
      if (std::string why = Problem(entry, depth + 1); !why.empty()) return why;
    }
    return "";
  }

  const DescriptorSet& set_;
  size_t memory_left_;
  bool overflown_ = false;
  std::vector<Violation> violations_;
};

}  // namespace

size_t ObjectBytes(const Descriptor& type) {
  return kObjectBytes + kFieldBytes * static_cast<size_t>(type.field_count());
}

Form FormOf(const Descriptor& type) {
  if (type.file()->package() != "google.protobuf") return Form::kObject;
  static const auto* forms = new StringMap<Form>{{"Any", Form::kAny},
                                                 {"Timestamp", Form::kTimestamp},
                                                 {"Duration", Form::kDuration},
                                                 {"Struct", Form::kStruct},
                                                 {"Value", Form::kValue},
                                                 {"ListValue", Form::kListValue},
                                                 {"BoolValue", Form::kWrapper},
                                                 {"Int32Value", Form::kWrapper},
                                                 {"Int64Value", Form::kWrapper},
                                                 {"BytesValue", Form::kWrapper},
                                                 {"UInt32Value", Form::kWrapper},
                                                 {"UInt64Value", Form::kWrapper},
                                                 {"FloatValue", Form::kWrapper},
                                                 {"DoubleValue", Form::kWrapper},
                                                 {"StringValue", Form::kWrapper},
                                                 {"FieldMask", Form::kFieldMask}};
  auto it = forms->find(type.name());
  return it == forms->end() ? Form::kObject : it->second;
}

std::vector<Violation> CheckWire(const DescriptorSet& set, const Descriptor* type, std::string_view bytes,
                                 size_t memory) {
  Checker checker(set, memory);
  checker.Check(*type, bytes, {}, 0);
  return checker.Take();
}

}  // namespace carillon::schema
