#include "control/schemas.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "control/field_checks.h"
#include "control/payload.h"
#include "gateway/wire/envelope_json.h"

namespace carillon::control {
namespace {

// The app whose schemas are meant. They are nobody's stream alone.
StatusOr<const auth::App*> AppOfSchemas(const std::string& named, const Caller& caller) {
  RETURN_IF_ERROR(caller.CheckAllStreams());
  return caller.AppOf(named);
}

Status CheckName(const std::string& name) {
  std::string why = schema::SetNameProblem(name);
  return why.empty() ? absl::OkStatus() : FieldError("name", why);
}

void Fill(const schema::DescriptorSet& set, v1::SchemaSet* to) {
  to->set_name(set.name());
  to->set_configured(set.configured());
  to->set_types(static_cast<uint32_t>(set.types().size()));
  to->set_bytes(set.bytes());
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(set.made().time_since_epoch());
  to->mutable_register_time()->set_seconds(seconds.count());
}

void Fill(const schema::Binding& binding, const schema::Schemas& schemas, v1::SchemaBinding* to) {
  to->set_stream(binding.stream);
  to->set_event(binding.event);
  to->set_type(binding.type);
  to->set_configured(binding.configured);
  to->set_type_missing(schemas.SetOf(binding.type) == nullptr);
}

// The stream as ReadTyped wants it.
StatusOr<std::string> StreamToValidate(const v1::ValidateRequest& request, const Caller& caller) {
  const std::string& stream = request.stream();
  if (stream.starts_with('@')) {
    std::string why = schema::StreamProblem(stream);
    if (!why.empty()) return FieldError("stream", why);
    RETURN_IF_ERROR(caller.CheckAllStreams());
    return stream;
  }
  RETURN_IF_ERROR(CheckStream("stream", stream));
  ASSIGN_OR_RETURN(wire::Topic topic, caller.TopicOf(request.app(), wire::TopicKind::kStream, stream));
  return std::move(topic.name);
}

void AddViolation(std::string field, std::string description, v1::ValidateResponse* response) {
  v1::SchemaViolation* violation = response->add_violations();
  violation->set_field(std::move(field));
  violation->set_description(std::move(description));
}

// A payload that may be anything must be JSON, and of some size, all the same.
void ValidateFree(const v1::ValidateRequest& request, const std::string& stream, schema::Registry& schemas,
                  size_t max_publish_bytes, v1::ValidateResponse* response) {
  v1::Envelope envelope;
  Status status = ReadPayload(request.event(), stream, schemas, max_publish_bytes, &envelope);
  if (status.ok()) return wire::AppendPayloadJson(*response->mutable_json(), envelope);
  std::string field = FieldOf(status);
  std::string message = MessageOf(status);
  if (message.starts_with(field + ": ")) message.erase(0, field.size() + 2);
  AddViolation(std::move(field), std::move(message), response);
}

}  // namespace

Status RegisterDescriptors(const Caller& caller, const v1::RegisterDescriptorsRequest& request,
                           v1::RegisterDescriptorsResponse* response) {
  ASSIGN_OR_RETURN(const auth::App* app, AppOfSchemas(request.app(), caller));
  RETURN_IF_ERROR(CheckName(request.name()));
  if (request.descriptor_set().empty()) {
    ASSIGN_OR_RETURN(bool removed, app->schemas->Remove(request.name()));
    response->set_replaced(removed);
    return absl::OkStatus();
  }
  auto set = schema::DescriptorSet::Build(request.name(), request.descriptor_set(), false);
  if (!set.ok()) return Prefixed("descriptor_set", set.status());
  response->set_types(static_cast<uint32_t>((*set)->types().size()));
  ASSIGN_OR_RETURN(bool replaced, app->schemas->Register(*std::move(set)));
  response->set_replaced(replaced);
  return absl::OkStatus();
}

Status BindStream(const Caller& caller, const v1::BindStreamRequest& request, v1::BindStreamResponse* response) {
  ASSIGN_OR_RETURN(const auth::App* app, AppOfSchemas(request.app(), caller));
  schema::Binding binding{app->StreamNamed(request.stream()), request.event(), request.type()};
  if (std::string why = schema::StreamProblem(binding.stream); !why.empty()) return FieldError("stream", why);
  if (std::string why = schema::EventProblem(binding.event); !why.empty()) return FieldError("event", why);
  auto replaced = binding.type.empty() ? app->schemas->Unbind(binding) : app->schemas->Bind(std::move(binding));
  if (!replaced.ok()) return replaced.status();
  response->set_replaced(*replaced);
  return absl::OkStatus();
}

Status ListSchemas(const Caller& caller, const v1::ListSchemasRequest& request, v1::ListSchemasResponse* response) {
  ASSIGN_OR_RETURN(const auth::App* app, AppOfSchemas(request.app(), caller));
  ASSIGN_OR_RETURN(size_t page_size, ReadPageSize(request.page_size()));
  std::string after;
  if (!request.page_token().empty() && !absl::WebSafeBase64Unescape(request.page_token(), &after)) {
    return FieldError("page_token", "not a next_page_token of this call");
  }
  std::shared_ptr<const schema::Schemas> schemas = app->schemas->GetAlways();
  if (after.empty()) {
    for (const schema::DescriptorSetPtr& set : schemas->sets()) Fill(*set, response->add_sets());
    for (const schema::Binding& binding : schemas->bindings()) Fill(binding, *schemas, response->add_bindings());
  }
  std::vector<std::string_view> types;
  for (const schema::DescriptorSetPtr& set : schemas->sets()) {
    auto first = std::upper_bound(set->types().begin(), set->types().end(), after);
    types.insert(types.end(), first, set->types().end());
  }
  std::sort(types.begin(), types.end());
  types.erase(std::unique(types.begin(), types.end()), types.end());
  for (size_t i = 0; i < std::min(page_size, types.size()); ++i) {
    v1::SchemaType* type = response->add_types();
    type->set_type(std::string(types[i]));
    type->set_set(schemas->SetOf(type->type())->name());
  }
  if (types.size() > page_size) {
    response->set_next_page_token(absl::WebSafeBase64Escape(std::string(types[page_size - 1])));
  }
  return absl::OkStatus();
}

Status Validate(const Caller& caller, const v1::ValidateRequest& request, size_t max_publish_bytes,
                v1::ValidateResponse* response) {
  ASSIGN_OR_RETURN(const auth::App* app, caller.AppOf(request.app()));
  ASSIGN_OR_RETURN(std::string stream, StreamToValidate(request, caller));
  RETURN_IF_ERROR(CheckEventName(request.event().name()));
  std::optional<TypedPayload> typed = ReadTyped(request.event(), stream, *app->schemas);
  if (!typed.has_value()) {
    ValidateFree(request, stream, *app->schemas, max_publish_bytes, response);
    return absl::OkStatus();
  }
  response->set_type(typed->type);
  if (typed->checked.type_unknown) {
    AddViolation(typed->field, fmt::format("no set of descriptors has the type {}", typed->type), response);
  }
  for (const schema::Violation& violation : typed->checked.violations) {
    AddViolation(FieldIn(*typed, violation), violation.description, response);
  }
  response->set_json(std::move(typed->checked.json));
  return absl::OkStatus();
}

}  // namespace carillon::control
