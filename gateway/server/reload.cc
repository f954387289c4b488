#include "gateway/server/reload.h"

#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <map>

#include "gateway/server/config_rules.h"
#include "gateway/server/config_values.h"

namespace carillon::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::util::MessageDifferencer;
using SettingChange = control::Operations::SettingChange;

bool IsGroup(const FieldDescriptor& field) {
  return !field.is_repeated() && !IsScalar(field);
}

bool HasSecrets(const FieldDescriptor& field) {
  if (SettingOf(field).secret()) return true;
  if (IsScalar(field)) return false;
  for (int i = 0; i < field.message_type()->field_count(); ++i) {
    if (HasSecrets(*field.message_type()->field(i))) return true;
  }
  return false;
}

bool SameField(const Message& a, const Message& b, const FieldDescriptor& field) {
  MessageDifferencer differencer;
  return differencer.CompareWithFields(a, b, {&field}, {&field});
}

std::string TextOf(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  if (HasSecrets(field) || (field.is_repeated() && !IsScalar(field))) return "";
  std::string text;
  auto add = [&](int index) {
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      const auto& duration = field.is_repeated() ? reflection.GetRepeatedMessage(message, &field, index)
                                                 : reflection.GetMessage(message, &field);
      text += fmt::format("{}ms", ToMilliseconds(static_cast<const google::protobuf::Duration&>(duration)).count());
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
      text += EnumText(field.is_repeated() ? *reflection.GetRepeatedEnum(message, &field, index)
                                           : *reflection.GetEnum(message, &field));
    } else {
      std::string one;
      google::protobuf::TextFormat::PrintFieldValueToString(message, &field, field.is_repeated() ? index : -1, &one);
      text += one;
    }
  };
  if (!field.is_repeated()) {
    add(-1);
    return text;
  }
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    if (i > 0) text += ", ";
    add(i);
  }
  return "[" + text + "]";
}

// What an entry of a list is called: by its name or its pattern. Empty: it is called nothing.
std::string NameOf(const Message& entry) {
  for (const char* key : {"name", "pattern"}) {
    const FieldDescriptor* field = entry.GetDescriptor()->FindFieldByName(key);
    if (field != nullptr) return entry.GetReflection()->GetString(entry, field);
  }
  return "";
}

// The changes of a list whose entries have names: which came, which went, and what of the others changed.
void CompareNamed(const Message& a, const Message& b, const FieldDescriptor& field, const std::string& path,
                  std::vector<SettingChange>* changes) {
  auto entries = [&field](const Message& message) {
    std::map<std::string, const Message*> named;
    for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
      const Message& entry = message.GetReflection()->GetRepeatedMessage(message, &field, i);
      named[NameOf(entry)] = &entry;
    }
    return named;
  };
  std::map<std::string, const Message*> before = entries(a);
  std::map<std::string, const Message*> after = entries(b);
  size_t known = changes->size();
  for (const auto& [name, entry] : before) {
    if (!after.contains(name)) changes->push_back({fmt::format("{}[{}]", path, name), "there", "gone"});
  }
  for (const auto& [name, entry] : after) {
    auto it = before.find(name);
    if (it == before.end()) {
      changes->push_back({fmt::format("{}[{}]", path, name), "", "new"});
      continue;
    }
    for (int i = 0; i < entry->GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor& inner = *entry->GetDescriptor()->field(i);
      if (SameField(*it->second, *entry, inner)) continue;
      bool plain = IsScalar(inner);
      changes->push_back({fmt::format("{}[{}].{}", path, name, inner.name()), plain ? TextOf(*it->second, inner) : "",
                          plain ? TextOf(*entry, inner) : ""});
    }
  }
  if (changes->size() == known) changes->push_back({path, "", "another order"});
}

// Calls `visit(field, path, reloads, a, b)` for each setting of the two, which are of one type.
template <class A, class B, class Visit>
void ForBoth(A& a, B& b, const std::string& prefix, bool reloads, const Visit& visit) {
  for (int i = 0; i < a.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *a.GetDescriptor()->field(i);
    bool here = reloads || SettingOf(field).reloads();
    if (IsGroup(field)) {
      ForBoth(a.GetReflection()->GetMessage(a, &field), b.GetReflection()->GetMessage(b, &field),
              prefix + field.name() + ".", here, visit);
    } else {
      visit(field, prefix + field.name(), here, a, b);
    }
  }
}

// Takes over what reloads.
void Take(const Message& from, Message& into) {
  for (int i = 0; i < from.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *from.GetDescriptor()->field(i);
    const Reflection& reflection = *from.GetReflection();
    if (SettingOf(field).reloads()) {
      reflection.ClearField(&into, &field);
      std::unique_ptr<Message> only(from.New());
      only->CopyFrom(from);
      std::vector<const FieldDescriptor*> set;
      reflection.ListFields(*only, &set);
      for (const FieldDescriptor* other : set) {
        if (other != &field) reflection.ClearField(only.get(), other);
      }
      into.MergeFrom(*only);
    } else if (IsGroup(field)) {
      Take(reflection.GetMessage(from, &field), *reflection.MutableMessage(&into, &field));
    }
  }
}

}  // namespace

StatusOr<Reloaded> Reload(const v1::Config& started, const v1::Config& current, const v1::Config& loaded) {
  Reloaded reloaded;
  reloaded.config = started;
  Take(loaded, reloaded.config);
  std::string problems;
  CheckRules(reloaded.config, [&](const std::string& path, const std::string& message) {
    if (!problems.empty()) problems += '\n';
    problems += fmt::format("{} {} (with the settings that need a restart as they were)", path, message);
  });
  // A file that is just being written may be empty or half.
  if (!current.control().keys().empty() && loaded.control().keys().empty()) {
    if (!problems.empty()) problems += '\n';
    problems += "control.keys are gone: everyone could call; if that is meant, restart";
  }
  for (const v1::AppConfig& app : loaded.apps()) {
    auto before = std::find_if(current.apps().begin(), current.apps().end(),
                               [&](const v1::AppConfig& known) { return known.name() == app.name(); });
    if (before == current.apps().end() || before->fold_names() == app.fold_names()) continue;
    if (!problems.empty()) problems += '\n';
    problems += fmt::format("apps: fold_names of {} has changed: that needs a restart", app.name());
  }
  if (started.edge().tls().cert_file().empty() != loaded.edge().tls().cert_file().empty()) {
    if (!problems.empty()) problems += '\n';
    problems += "edge.tls: TLS is turned on or off: that needs a restart";
  }
  if (!problems.empty()) return absl::InvalidArgumentError(problems);
  auto collect = [](std::vector<SettingChange>* into, bool which) {
    return
        [=](const FieldDescriptor& field, const std::string& path, bool reloads, const Message& a, const Message& b) {
          if (reloads != which || SameField(a, b, field)) return;
          bool named = field.is_repeated() && !IsScalar(field) &&
                       field.message_type()->FindFieldByName("secret") == nullptr &&
                       (field.message_type()->FindFieldByName("name") != nullptr ||
                        field.message_type()->FindFieldByName("pattern") != nullptr);
          if (named) return CompareNamed(a, b, field, path, into);
          into->push_back({path, TextOf(a, field), TextOf(b, field)});
        };
  };
  const Message& now = reloaded.config;
  ForBoth<const Message, const Message>(current, now, "", false, collect(&reloaded.changes.now, true));
  ForBoth<const Message, const Message>(started, loaded, "", false, collect(&reloaded.changes.after_restart, false));
  return reloaded;
}

}  // namespace carillon::server
