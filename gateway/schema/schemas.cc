#include "gateway/schema/schemas.h"

#include <algorithm>

#include "gateway/base/check.h"
#include "gateway/schema/from_json.h"
#include "gateway/schema/json_writer.h"
#include "gateway/schema/wire_check.h"
#include "gateway/wire/json_check.h"
#include "gateway/wire/name_pattern.h"
#include "gateway/wire/topic.h"

namespace carillon::schema {
namespace {

constexpr size_t kMaxEventBytes = 128;

}  // namespace

bool Binding::Matches(const std::string& stream_name, std::string_view event_name) const {
  bool event_matches = event.ends_with('*')
                           ? event_name.starts_with(std::string_view(event).substr(0, event.size() - 1))
                           : event_name == event;
  if (!event_matches) return false;
  return stream_name.starts_with('@') ? stream_name == stream : wire::MatchesPattern(stream, stream_name);
}

Schemas::Schemas(std::vector<DescriptorSetPtr> sets, std::vector<Binding> bindings, size_t max_bytes)
    : sets_(std::move(sets)), bindings_(std::move(bindings)), max_bytes_(max_bytes) {}

const Binding* Schemas::Find(const std::string& stream, std::string_view event) const {
  auto it = std::find_if(bindings_.begin(), bindings_.end(),
                         [&](const Binding& binding) { return binding.Matches(stream, event); });
  return it == bindings_.end() ? nullptr : &*it;
}

const DescriptorSet* Schemas::SetOf(const std::string& type) const {
  for (const DescriptorSetPtr& set : sets_) {
    if (std::binary_search(set->types().begin(), set->types().end(), type)) return set.get();
  }
  return DescriptorSet::BuiltIn().Find(type) == nullptr ? nullptr : &DescriptorSet::BuiltIn();
}

Checked Schemas::CheckJson(const std::string& type, std::string_view text) const {
  const DescriptorSet* set = SetOf(type);
  if (set == nullptr) return {.type_unknown = true};
  Checked checked;
  const google::protobuf::Descriptor* descriptor = set->Find(type);
  auto message = FromJson(*set, descriptor, text, memory(), &checked.violations);
  if (message == nullptr) return checked;
  // Nesting, and proto2's required fields.
  checked.violations = CheckWire(*set, descriptor, message->SerializePartialAsString(), memory());
  return checked.ok() ? Finish(*set, *message) : checked;
}

Checked Schemas::CheckBytes(const std::string& type, std::string_view bytes) const {
  const DescriptorSet* set = SetOf(type);
  if (set == nullptr) return {.type_unknown = true};
  const google::protobuf::Descriptor* descriptor = set->Find(type);
  Checked checked;
  checked.violations = CheckWire(*set, descriptor, bytes, memory());
  if (!checked.ok()) return checked;
  std::unique_ptr<google::protobuf::Message> message = set->NewMessage(descriptor);
  if (!message->ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    checked.violations.push_back({"", fmt::format("is not the bytes of a {}", type)});
    return checked;
  }
  return Finish(*set, *message);
}

// Whatever way a payload came, it leaves by this one, and so there is one JSON of a message.
Checked Schemas::Finish(const DescriptorSet& set, const google::protobuf::Message& message) const {
  Checked checked;
  checked.json = JsonOf(set, message, max_bytes_);
  if (checked.json.size() > max_bytes_) {
    checked.json.clear();
    checked.violations.push_back(
        {"",
         fmt::format("has more than {} bytes as clients receive it (config: limits.max_publish_bytes)", max_bytes_)});
  }
  CARILLON_DCHECK(!checked.ok() || wire::CheckJson(checked.json).ok());
  return checked;
}

std::string StreamProblem(const std::string& stream) {
  bool nobodys = stream == wire::kUserStream || stream == wire::kSessionStream || stream == wire::kAllStream;
  return nobodys ? "" : wire::PatternProblem(stream);
}

std::string EventProblem(std::string_view event) {
  size_t star = event.find('*');
  bool sound = !event.empty() && event.size() <= kMaxEventBytes &&
               (star == std::string_view::npos || star + 1 == event.size()) &&
               std::all_of(event.begin(), event.end(),
                           [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; });
  return sound ? ""
               : fmt::format("needs a name of at most {} bytes, or the beginning of names and a * at its end",
                             kMaxEventBytes);
}

}  // namespace carillon::schema
