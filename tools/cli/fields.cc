#include "tools/cli/fields.h"

#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/time_util.h>

#include <charconv>
#include <map>

#include "carillon/v1/envelope.pb.h"
#include "gateway/base/utf8.h"
#include "gateway/server/config_values.h"
#include "tools/cli/read_file.h"

namespace carillon::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

const FieldDescriptor& Leaf(const Descriptor& type, std::string_view path) {
  size_t dot = path.find('.');
  const FieldDescriptor& field = *type.FindFieldByName(std::string(path.substr(0, dot)));
  return dot == std::string_view::npos ? field : Leaf(*field.message_type(), path.substr(dot + 1));
}

Status SetPair(Message& message, const FieldDescriptor& field, const std::string& text) {
  size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return InvalidArgument("\"{}\" is not key=value", text);
  Message* entry = message.GetReflection()->AddMessage(&message, &field);
  const Descriptor& type = *field.message_type();
  entry->GetReflection()->SetString(entry, type.map_key(), text.substr(0, equals));
  entry->GetReflection()->SetString(entry, type.map_value(), text.substr(equals + 1));
  return absl::OkStatus();
}

Status SetPosition(v1::Position* position, const std::string& text) {
  size_t colon = text.rfind(':');
  uint64_t offset = 0;
  if (colon != std::string::npos && colon > 0) {
    auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), offset);
    if (error == std::errc() && end == text.data() + text.size()) {
      position->set_epoch(text.substr(0, colon));
      position->set_offset(offset);
      return absl::OkStatus();
    }
  }
  return InvalidArgument("\"{}\" is no position such as 5d1c9a02:17", text);
}

Status SetFromFile(Message& message, const FieldDescriptor& field, const std::string& path) {
  ASSIGN_OR_RETURN(std::string bytes, ReadFile(path));
  if (bytes.empty()) return InvalidArgument("\"{}\" is empty", path);
  message.GetReflection()->SetString(&message, &field, std::move(bytes));
  return absl::OkStatus();
}

}  // namespace

Status SetField(Message& request, const std::string& path, const std::string& text) {
  size_t dot = path.find('.');
  const Reflection& reflection = *request.GetReflection();
  const FieldDescriptor& field = *request.GetDescriptor()->FindFieldByName(path.substr(0, dot));
  if (dot != std::string::npos)
    return SetField(*reflection.MutableMessage(&request, &field), path.substr(dot + 1), text);
  if (field.type() == FieldDescriptor::TYPE_BYTES) return SetFromFile(request, field, text);
  if (!IsUtf8(text)) return InvalidArgument("is not UTF-8");
  if (field.is_map()) return SetPair(request, field, text);
  if (server::IsScalar(field)) return server::SetScalar(request, field, text);
  Message* inner = reflection.MutableMessage(&request, &field);
  if (auto* position = dynamic_cast<v1::Position*>(inner)) return SetPosition(position, text);
  auto* time = dynamic_cast<google::protobuf::Timestamp*>(inner);
  if (time != nullptr && google::protobuf::util::TimeUtil::FromString(text, time)) return absl::OkStatus();
  return InvalidArgument("\"{}\" is no time such as 2026-11-22T09:30:00Z", text);
}

FieldFlags::FieldFlags(CLI::App& command, const Descriptor& request, std::vector<Field> fields)
    : fields_(std::move(fields)) {
  for (const Field& field : fields_) {
    const FieldDescriptor& leaf = Leaf(request, field.path);
    if (leaf.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
      options_.push_back(command.add_flag(field.option, field.help));
      continue;
    }
    CLI::Option* option = command.add_option(field.option, field.help)->required(field.required)->expected(1);
    // One value a flag: the word that follows is another argument's.
    if (leaf.is_repeated()) option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    options_.push_back(option->type_name(leaf.is_map() ? "KEY=VALUE" : "TEXT"));
  }
}

Status FieldFlags::Fill(Message& request) const {
  std::map<const google::protobuf::OneofDescriptor*, std::vector<std::string>> choices;
  for (size_t i = 0; i < fields_.size(); ++i) {
    std::string name = options_[i]->get_name();
    const auto* choice = Leaf(*request.GetDescriptor(), fields_[i].path).real_containing_oneof();
    if (choice != nullptr) choices[choice].push_back(name);
    if (options_[i]->count() == 0) continue;
    if (choice != nullptr && request.GetReflection()->HasOneof(request, choice)) {
      return InvalidArgument("{}: another target was given: one at a time", name);
    }
    for (const std::string& text : options_[i]->results()) {
      if (fields_[i].required && text.empty()) return InvalidArgument("{}: is empty", name);
      Status status = SetField(request, fields_[i].path, text);
      if (!status.ok()) return InvalidArgument("{}: {}", name, MessageOf(status));
    }
  }
  for (const auto& [choice, names] : choices) {
    if (!request.GetReflection()->HasOneof(request, choice))
      return InvalidArgument("give one of {}", fmt::join(names, ", "));
  }
  return absl::OkStatus();
}

}  // namespace carillon::cli
