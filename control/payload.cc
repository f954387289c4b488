#include "control/payload.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cmath>

#include "control/field_checks.h"
#include "gateway/base/utf8.h"
#include "gateway/wire/json_check.h"

namespace carillon::control {
namespace {

constexpr size_t kMaxEventBytes = 128;
constexpr size_t kMaxShownBytes = 128;

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

// Whether a Value is JSON. protobuf's own writer would recurse without asking, write a Value of no kind as nothing, and
// numbers that are not finite as words.
Status CheckValue(const google::protobuf::Value& value, int depth_left) {
  constexpr char kField[] = "event.value";
  if (value.kind_case() == google::protobuf::Value::KIND_NOT_SET) return FieldError(kField, "holds a value of no kind");
  if (value.has_number_value() && !std::isfinite(value.number_value())) {
    return FieldError(kField, "holds a number that is not finite, which JSON cannot say");
  }
  if ((value.has_struct_value() || value.has_list_value()) && depth_left == 0) {
    return FieldError(kField, fmt::format("nests deeper than {}", wire::kMaxJsonDepth));
  }
  for (const auto& [key, field] : value.struct_value().fields()) RETURN_IF_ERROR(CheckValue(field, depth_left - 1));
  for (const auto& entry : value.list_value().values()) RETURN_IF_ERROR(CheckValue(entry, depth_left - 1));
  return absl::OkStatus();
}

Status WriteValue(const google::protobuf::Value& value, std::string* json) {
  RETURN_IF_ERROR(CheckValue(value, wire::kMaxJsonDepth));
  auto status = google::protobuf::util::MessageToJsonString(value, json);
  return status.ok() ? absl::OkStatus() : FieldError("event.value", "cannot be written as JSON");
}

Status StatusOf(const TypedPayload& typed) {
  if (typed.checked.type_unknown) {
    return WithReason(FailedPrecondition("{}: no set of descriptors has the type {} (SchemaService, config: schemas)",
                                         typed.field, typed.type),
                      "TYPE_UNKNOWN");
  }
  const std::vector<schema::Violation>& violations = typed.checked.violations;
  if (violations.empty()) return absl::OkStatus();
  std::string why = violations.front().description;
  if (violations.size() > 1) why += fmt::format(" (Validate tells {} more)", violations.size() - 1);
  return WithReason(FieldError(FieldIn(typed, violations.front()), why), "SCHEMA_MISMATCH");
}

// Where any JSON is good.
Status ReadFree(const v1::Event& event, size_t max_bytes, v1::Envelope* envelope) {
  switch (event.payload_case()) {
    case v1::Event::kJson:
      if (event.json().size() <= max_bytes) RETURN_IF_ERROR(Prefixed("event.json", wire::CheckJson(event.json())));
      envelope->set_json(event.json());
      break;
    case v1::Event::kValue:
      RETURN_IF_ERROR(WriteValue(event.value(), envelope->mutable_json()));
      break;
    case v1::Event::kBinary:
      envelope->set_binary(event.binary());
      break;
    default:
      break;
  }
  size_t bytes = envelope->has_binary() ? (envelope->binary().size() + 2) / 3 * 4 : envelope->json().size();
  if (bytes > max_bytes) {
    return FieldError("event", fmt::format("the payload has {} bytes as clients receive it; the limit is {} "
                                           "(config: limits.max_publish_bytes)",
                                           bytes, max_bytes));
  }
  return absl::OkStatus();
}

schema::Checked Wrong(std::string field, std::string description) {
  return {"", {{std::move(field), std::move(description)}}};
}

TypedPayload ReadBound(const v1::Event& event, const std::string& type, const schema::Schemas& schemas) {
  switch (event.payload_case()) {
    case v1::Event::kJson:
      return {type, "event.json", schemas.CheckJson(type, event.json())};
    case v1::Event::kValue: {
      std::string json;
      Status status = WriteValue(event.value(), &json);
      if (!status.ok()) return {type, "event.value", Wrong("", "is not JSON")};
      return {type, "event.value", schemas.CheckJson(type, json)};
    }
    case v1::Event::kBinary:
      return {type, "event.binary", Wrong("", fmt::format("is bytes, and a {} is needed: as json or message", type))};
    case v1::Event::kMessage: {
      std::string said = schema::TypeInUrl(event.message().type_url());
      if (said == type) return {type, "event.message", schemas.CheckBytes(type, event.message().value())};
      return {type, "event.message",
              Wrong("type_url", fmt::format("says {}, and a {} is needed", Utf8Front(said, kMaxShownBytes), type))};
    }
    case v1::Event::PAYLOAD_NOT_SET:
      break;
  }
  return {type, "event", schemas.CheckJson(type, "null")};
}

}  // namespace

std::string FieldIn(const TypedPayload& typed, const schema::Violation& violation) {
  return violation.field.empty() ? typed.field : fmt::format("{}.{}", typed.field, violation.field);
}

std::optional<TypedPayload> ReadTyped(const v1::Event& event, const std::string& stream,
                                      const schema::Registry& schemas) {
  std::shared_ptr<const schema::Schemas> now = schemas.Get();
  const schema::Binding* bound = now == nullptr ? nullptr : now->Find(stream, event.name());
  if (bound != nullptr) return ReadBound(event, bound->type, *now);
  if (!event.has_message()) return std::nullopt;
  if (now == nullptr) now = schemas.GetAlways();
  std::string type(Utf8Front(schema::TypeInUrl(event.message().type_url()), kMaxShownBytes));
  if (type.empty()) return TypedPayload{"", "event.message", Wrong("type_url", "names no type")};
  return TypedPayload{type, "event.message", now->CheckBytes(type, event.message().value())};
}

Status ReadPayload(const v1::Event& event, const std::string& stream, schema::Registry& schemas, size_t max_bytes,
                   v1::Envelope* envelope) {
  std::optional<TypedPayload> typed = ReadTyped(event, stream, schemas);
  if (!typed.has_value()) return ReadFree(event, max_bytes, envelope);
  schemas.Count(typed->checked.ok());
  RETURN_IF_ERROR(StatusOf(*typed));
  envelope->set_json(std::move(typed->checked.json));
  return absl::OkStatus();
}

Status CheckEventName(const std::string& name) {
  if (name.empty()) return FieldError("event.name", "an event needs a name");
  if (name.size() > kMaxEventBytes || HasControl(name)) {
    return FieldError("event.name", fmt::format("1 to {} bytes without control characters", kMaxEventBytes));
  }
  return absl::OkStatus();
}

}  // namespace carillon::control
