#include "gateway/server/config_text.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "gateway/base/check.h"
#include "gateway/server/config_values.h"

namespace carillon::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

void Emit(YAML::Emitter& out, const Message& message);

std::string DurationText(std::chrono::milliseconds duration) {
  bool seconds = duration.count() % 1000 == 0;
  return seconds ? fmt::format("{}s", duration.count() / 1000) : fmt::format("{}ms", duration.count());
}

// One value; `index` is -1 where there is only one.
void EmitValue(YAML::Emitter& out, const Message& message, const FieldDescriptor& field, int index) {
  const auto& reflection = *message.GetReflection();
  bool one = index < 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string text =
          one ? reflection.GetString(message, &field) : reflection.GetRepeatedString(message, &field, index);
      out << YAML::DoubleQuoted << (SettingOf(field).secret() && !text.empty() ? "***" : text);
      break;
    }
    case FieldDescriptor::CPPTYPE_ENUM:
      out << EnumText(one ? *reflection.GetEnum(message, &field) : *reflection.GetRepeatedEnum(message, &field, index));
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      out << (one ? reflection.GetBool(message, &field) : reflection.GetRepeatedBool(message, &field, index));
      break;
    case FieldDescriptor::CPPTYPE_UINT32:
      out << (one ? reflection.GetUInt32(message, &field) : reflection.GetRepeatedUInt32(message, &field, index));
      break;
    case FieldDescriptor::CPPTYPE_UINT64:
      out << (one ? reflection.GetUInt64(message, &field) : reflection.GetRepeatedUInt64(message, &field, index));
      break;
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const Message& inner =
          one ? reflection.GetMessage(message, &field) : reflection.GetRepeatedMessage(message, &field, index);
      if (IsScalar(field)) {
        out << DurationText(ToMilliseconds(static_cast<const google::protobuf::Duration&>(inner)));
      } else {
        Emit(out, inner);
      }
      break;
    }
    default:
      CARILLON_CHECK(false);  // the schema has no others
  }
}

bool IsSaid(const Message& message, const FieldDescriptor& field) {
  const auto& reflection = *message.GetReflection();
  if (field.is_repeated()) return reflection.FieldSize(message, &field) > 0;
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) return reflection.HasField(message, &field);
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    return !reflection.GetString(message, &field).empty() || !SettingOf(field).default_().empty();
  }
  return field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM || reflection.GetEnum(message, &field)->number() != 0;
}

void Emit(YAML::Emitter& out, const Message& message) {
  out << YAML::BeginMap;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    if (!IsSaid(message, field)) continue;
    out << YAML::Key << field.name() << YAML::Value;
    if (!field.is_repeated()) {
      EmitValue(out, message, field, -1);
      continue;
    }
    out << (IsScalar(field) ? YAML::Flow : YAML::Block) << YAML::BeginSeq;
    for (int n = 0; n < message.GetReflection()->FieldSize(message, &field); ++n) EmitValue(out, message, field, n);
    out << YAML::EndSeq;
  }
  out << YAML::EndMap;
}

}  // namespace

std::string ToYaml(const v1::Config& config) {
  YAML::Emitter out;
  Emit(out, config);
  return std::string(out.c_str()) + "\n";
}

}  // namespace carillon::server
