#include "gateway/server/schema_files.h"

#include <algorithm>

#include "gateway/server/token_rules.h"
#include "gateway/wire/topic.h"

namespace carillon::server {
namespace {

using Problem = std::function<void(const std::string&, const std::string&)>;

void AddSet(const v1::SchemaSetFile& from, const std::string& at, size_t max_bytes, schema::Configured* to,
            const Problem& problem) {
  if (std::string why = schema::SetNameProblem(from.name()); !why.empty()) return problem(at + ".name", why);
  for (const schema::DescriptorSetPtr& set : to->sets) {
    if (set->name() == from.name()) return problem(at + ".name", "stands above already");
  }
  if (from.file().empty()) return problem(at + ".file", "is missing");
  auto bytes = ReadKeyFile(from.file(), max_bytes);
  if (!bytes.ok()) return problem(at + ".file", MessageOf(bytes.status()));
  auto set = schema::DescriptorSet::Build(from.name(), *bytes, true);
  if (!set.ok()) return problem(at + ".file", fmt::format("{}: {}", from.file(), MessageOf(set.status())));
  to->sets.push_back(*std::move(set));
}

bool HasType(const schema::Configured& configured, const std::string& type) {
  if (schema::DescriptorSet::BuiltIn().Find(type) != nullptr) return true;
  return std::any_of(configured.sets.begin(), configured.sets.end(),
                     [&](const schema::DescriptorSetPtr& set) { return set->Find(type) != nullptr; });
}

void AddBinding(const v1::SchemaBindingRule& from, const std::string& at, bool fold_names, schema::Configured* to,
                const Problem& problem) {
  schema::Binding binding{from.stream(), from.event(), from.type(), true};
  if (std::string why = schema::StreamProblem(binding.stream); !why.empty()) return problem(at + ".stream", why);
  if (fold_names && wire::HasCapitals(binding.stream)) {
    return problem(at + ".stream", "has capitals: with fold_names streams are named in lower case");
  }
  if (std::string why = schema::EventProblem(binding.event); !why.empty()) return problem(at + ".event", why);
  for (const schema::Binding& other : to->bindings) {
    if (other.SamePlace(binding)) return problem(at, "stands above already, which counts");
  }
  if (!HasType(*to, binding.type)) return problem(at + ".type", "is no message type of schemas.sets");
  to->bindings.push_back(std::move(binding));
}

}  // namespace

schema::Configured SchemasOf(const v1::SchemasConfig& config, const v1::LimitsConfig& limits, bool fold_names,
                             const Problem& problem) {
  schema::Configured configured;
  if (config.sets_size() > static_cast<int>(limits.schema_sets())) {
    problem("schemas.sets", fmt::format("at most {} (limits.schema_sets)", limits.schema_sets()));
    return configured;
  }
  if (config.bindings_size() > static_cast<int>(limits.schema_bindings())) {
    problem("schemas.bindings", fmt::format("at most {} (limits.schema_bindings)", limits.schema_bindings()));
    return configured;
  }
  bool sound = true;
  auto note = [&](const std::string& path, const std::string& message) {
    sound = false;
    problem(path, message);
  };
  size_t bytes = 0;
  for (int i = 0; i < config.sets_size(); ++i) {
    AddSet(config.sets(i), fmt::format("schemas.sets[{}]", i), limits.schema_bytes(), &configured, note);
  }
  for (const schema::DescriptorSetPtr& set : configured.sets) bytes += set->bytes();
  if (bytes > limits.schema_bytes()) {
    note("schemas.sets",
         fmt::format("{} bytes together, and at most {} (limits.schema_bytes)", bytes, limits.schema_bytes()));
  }
  if (!sound) return configured;  // types would be missing
  for (int i = 0; i < config.bindings_size(); ++i) {
    AddBinding(config.bindings(i), fmt::format("schemas.bindings[{}]", i), fold_names, &configured, problem);
  }
  return configured;
}

schema::Limits SchemaLimitsOf(const v1::LimitsConfig& limits) {
  return {limits.schema_sets(), limits.schema_bytes(), limits.schema_bindings(), limits.max_publish_bytes()};
}

}  // namespace carillon::server
