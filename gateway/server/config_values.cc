#include "gateway/server/config_values.h"

#include <algorithm>
#include <charconv>
#include <numeric>

namespace carillon::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::Duration;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

struct Unit {
  std::string_view name;
  uint64_t factor;
};

// A whole number and a unit; `bare` tells what a number without one means, 0 that it is refused.
template <size_t N>
std::optional<uint64_t> ParseWithUnit(std::string_view text, const Unit (&units)[N], uint64_t bare) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  uint64_t factor = 0;
  for (const Unit& known : units) {
    if (known.name == unit) factor = known.factor;
  }
  if (unit.empty()) factor = number == 0 ? 1 : bare;
  uint64_t product = 0;
  if (factor == 0 || __builtin_mul_overflow(number, factor, &product)) return std::nullopt;
  return product;
}

std::optional<bool> ParseBool(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

bool IsDuration(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && field.message_type() == Duration::descriptor();
}

// The value as a number, for bounds and for setting; nothing where the text is not of the field's type.
std::optional<uint64_t> ParseNumber(const FieldDescriptor& field, std::string_view text) {
  if (IsDuration(field)) {
    auto duration = ParseDuration(text);
    return duration.has_value() ? std::optional<uint64_t>(duration->count()) : std::nullopt;
  }
  if (field.name().ends_with("_bytes")) return ParseSize(text);
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string_view KindOf(const FieldDescriptor& field) {
  if (IsDuration(field)) return "a duration such as 500ms, 54s, 2m or 1h";
  if (field.name().ends_with("_bytes")) return "a size such as 512, 64KiB or 1MiB";
  return "a whole number";
}

std::vector<std::string> EnumTexts(const google::protobuf::EnumDescriptor& type) {
  std::vector<std::string> texts;
  for (int i = 1; i < type.value_count(); ++i) texts.push_back(EnumText(*type.value(i)));
  return texts;
}

Status SetNumber(Message& message, const FieldDescriptor& field, uint64_t number) {
  const Reflection& reflection = *message.GetReflection();
  if (IsDuration(field)) {
    auto* duration = static_cast<Duration*>(reflection.MutableMessage(&message, &field));
    duration->set_seconds(static_cast<int64_t>(number / 1000));
    duration->set_nanos(static_cast<int32_t>(number % 1000 * 1'000'000));
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32) {
    if (number > UINT32_MAX) return InvalidArgument("too large");
    reflection.SetUInt32(&message, &field, static_cast<uint32_t>(number));
  } else {
    reflection.SetUInt64(&message, &field, number);
  }
  return absl::OkStatus();
}

}  // namespace

std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  static constexpr Unit kUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
  auto ms = ParseWithUnit(text, kUnits, 0);
  if (!ms.has_value() || *ms > static_cast<uint64_t>(INT64_MAX) / 1'000'000) return std::nullopt;
  return std::chrono::milliseconds(*ms);
}

std::optional<uint64_t> ParseSize(std::string_view text) {
  static constexpr Unit kUnits[] = {{"B", 1}, {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}};
  return ParseWithUnit(text, kUnits, 1);
}

bool IsScalar(const FieldDescriptor& field) {
  return field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || IsDuration(field);
}

const v1::Setting& SettingOf(const FieldDescriptor& field) {
  return field.options().GetExtension(v1::setting);
}

std::string EnumText(const EnumValueDescriptor& value) {
  // Enum values carry their type's name, in upper case with underscores, and one more underscore.
  std::string prefix;
  for (char c : value.type()->name()) {
    if (std::isupper(static_cast<unsigned char>(c)) != 0 && !prefix.empty()) prefix.push_back('_');
    prefix.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  }
  std::string text = value.name().substr(std::min(prefix.size() + 1, value.name().size()));
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

Status SetScalar(Message& message, const FieldDescriptor& field, const std::string& text) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      if (field.is_repeated()) {
        reflection.AddString(&message, &field, text);
      } else {
        reflection.SetString(&message, &field, text);
      }
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_BOOL: {
      auto value = ParseBool(text);
      if (!value.has_value()) return InvalidArgument("\"{}\" is neither true nor false", text);
      reflection.SetBool(&message, &field, *value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto& type = *field.enum_type();
      for (int i = 1; i < type.value_count(); ++i) {
        if (EnumText(*type.value(i)) != text) continue;
        if (field.is_repeated()) {
          reflection.AddEnum(&message, &field, type.value(i));
        } else {
          reflection.SetEnum(&message, &field, type.value(i));
        }
        return absl::OkStatus();
      }
      return InvalidArgument("\"{}\" is none of {}", text, fmt::join(EnumTexts(type), ", "));
    }
    default: {
      auto number = ParseNumber(field, text);
      if (!number.has_value()) return InvalidArgument("\"{}\" is not {}", text, KindOf(field));
      const v1::Setting& setting = SettingOf(field);
      if (!setting.min().empty() && *number < *ParseNumber(field, setting.min())) {
        return InvalidArgument("{} is too small: at least {}", text, setting.min());
      }
      if (!setting.max().empty() && *number > *ParseNumber(field, setting.max())) {
        return InvalidArgument("{} is too large: at most {}", text, setting.max());
      }
      return SetNumber(message, field, *number);
    }
  }
}

void SetDefaults(Message& message) {
  const Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.is_repeated()) continue;
    if (!IsScalar(field)) {
      SetDefaults(*message.GetReflection()->MutableMessage(&message, &field));
    } else if (const std::string& text = SettingOf(field).default_(); !text.empty()) {
      (void)SetScalar(message, field, text);  // a unit test sets every default
    }
  }
}

void ForEachSetting(const std::function<void(const std::string&, const FieldDescriptor&)>& visit) {
  std::function<void(const Descriptor&, const std::string&)> walk = [&](const Descriptor& type,
                                                                        const std::string& prefix) {
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (IsScalar(field) || field.is_repeated()) {
        visit(prefix + field.name(), field);
      } else {
        walk(*field.message_type(), prefix + field.name() + ".");
      }
    }
  };
  walk(*v1::Config::descriptor(), "");
}

std::string EnvironmentName(std::string_view path) {
  std::string name = "CARILLON_";
  for (char c : path) name.push_back(c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  return name;
}

std::string FlagName(std::string_view path) {
  std::string name = "--";
  for (char c : path) name.push_back(c == '_' ? '-' : c);
  return name;
}

std::string NearestName(std::string_view word, const std::vector<std::string>& names) {
  auto distance = [](std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0);
    for (size_t i = 1; i <= a.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j <= b.size(); ++j) {
        size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
      }
    }
    return row[b.size()];
  };
  std::string best;
  size_t least = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& name : names) {
    if (size_t d = distance(word, name); d < least) {
      least = d;
      best = name;
    }
  }
  return best;
}

}  // namespace carillon::server
