#include "gateway/schema/registry.h"

#include <algorithm>

namespace carillon::schema {
namespace {

Status Refused(std::string_view reason, std::string message) {
  return WithReason(absl::FailedPreconditionError(std::move(message)), reason);
}

// The configuration's first, then by name: the order in which they count.
bool Before(const DescriptorSetPtr& a, const DescriptorSetPtr& b) {
  return a->configured() != b->configured() ? a->configured() : a->name() < b->name();
}

size_t BytesOf(const std::vector<DescriptorSetPtr>& sets) {
  size_t bytes = 0;
  for (const DescriptorSetPtr& set : sets) bytes += set->bytes();
  return bytes;
}

}  // namespace

Registry::Registry() {
  Publish({}, {});
}

std::shared_ptr<const Schemas> Registry::GetAlways() const {
  std::lock_guard lock(mutex_);
  return current_;
}

void Registry::Publish(std::vector<DescriptorSetPtr> sets, std::vector<Binding> bindings) {
  std::sort(sets.begin(), sets.end(), Before);
  bool any = !sets.empty() || !bindings.empty();
  current_ = std::make_shared<const Schemas>(std::move(sets), std::move(bindings), limits_.max_publish_bytes);
  any_.store(any, std::memory_order_release);
}

void Registry::Configure(Configured configured, const Limits& limits) {
  std::lock_guard lock(mutex_);
  limits_ = limits;
  for (const DescriptorSetPtr& set : current_->sets()) {
    bool gives_way = std::any_of(configured.sets.begin(), configured.sets.end(),
                                 [&](const DescriptorSetPtr& other) { return other->name() == set->name(); });
    if (!set->configured() && !gives_way) configured.sets.push_back(set);
  }
  for (const Binding& binding : current_->bindings()) {
    if (!binding.configured) configured.bindings.push_back(binding);
  }
  Publish(std::move(configured.sets), std::move(configured.bindings));
}

void Registry::Clear() {
  std::lock_guard lock(mutex_);
  Publish({}, {});
}

Status Registry::CheckNotConfigured(const std::string& name) const {
  const auto& sets = current_->sets();
  bool configured = std::any_of(sets.begin(), sets.end(),
                                [&](const DescriptorSetPtr& set) { return set->configured() && set->name() == name; });
  if (!configured) return absl::OkStatus();
  return Refused(
      "SCHEMA_CONFIGURED",
      fmt::format("the set {} is the configuration's (schemas.sets): change it there, and load it again", name));
}

// Only what gets worse is refused: a configuration that was loaded again may have left bindings without a type, and
// lower limits.
Status Registry::Exchange(std::vector<DescriptorSetPtr> sets, std::vector<Binding> bindings) {
  const Schemas& old = *current_;
  if (sets.size() > limits_.sets && sets.size() > old.sets().size()) {
    return Refused("SCHEMA_LIMIT", fmt::format("the app has {} sets, which is the most (config: limits.schema_sets)",
                                               old.sets().size()));
  }
  size_t bytes = BytesOf(sets);
  if (bytes > limits_.set_bytes && bytes > BytesOf(old.sets())) {
    return Refused("SCHEMA_LIMIT", fmt::format("the app's sets would have {} bytes, and {} is the most (config: "
                                               "limits.schema_bytes)",
                                               bytes, limits_.set_bytes));
  }
  if (bindings.size() > limits_.bindings && bindings.size() > old.bindings().size()) {
    return Refused("SCHEMA_LIMIT", fmt::format("the app has {} bindings, which is the most (config: "
                                               "limits.schema_bindings)",
                                               old.bindings().size()));
  }
  std::sort(sets.begin(), sets.end(), Before);
  Schemas next(sets, bindings, limits_.max_publish_bytes);
  for (const Binding& binding : bindings) {
    if (next.SetOf(binding.type) != nullptr || old.SetOf(binding.type) == nullptr) continue;
    return Refused("SCHEMA_IN_USE", fmt::format("{} would be gone, and {} of {} is bound to it", binding.type,
                                                binding.event, binding.stream));
  }
  Publish(std::move(sets), std::move(bindings));
  return absl::OkStatus();
}

StatusOr<bool> Registry::Register(DescriptorSetPtr set) {
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(CheckNotConfigured(set->name()));
  std::vector<DescriptorSetPtr> sets = current_->sets();
  size_t others = std::erase_if(sets, [&](const DescriptorSetPtr& other) { return other->name() == set->name(); });
  sets.push_back(std::move(set));
  RETURN_IF_ERROR(Exchange(std::move(sets), current_->bindings()));
  return others > 0;
}

StatusOr<bool> Registry::Remove(const std::string& name) {
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(CheckNotConfigured(name));
  std::vector<DescriptorSetPtr> sets = current_->sets();
  size_t removed = std::erase_if(sets, [&](const DescriptorSetPtr& other) { return other->name() == name; });
  RETURN_IF_ERROR(Exchange(std::move(sets), current_->bindings()));
  return removed > 0;
}

StatusOr<bool> Registry::Bind(Binding binding) {
  std::lock_guard lock(mutex_);
  if (current_->SetOf(binding.type) == nullptr) {
    return Refused("TYPE_UNKNOWN", fmt::format("no set has the type {}", binding.type));
  }
  std::vector<Binding> bindings = current_->bindings();
  auto same = [&](const Binding& other) { return other.SamePlace(binding); };
  auto it = std::find_if(bindings.begin(), bindings.end(), same);
  bool replaced = it != bindings.end();
  if (replaced && it->configured) {
    return Refused("SCHEMA_CONFIGURED",
                   "the binding is the configuration's (schemas.bindings): change it there, and load "
                   "it again");
  }
  if (replaced) {
    *it = std::move(binding);
  } else {
    bindings.push_back(std::move(binding));
  }
  RETURN_IF_ERROR(Exchange(current_->sets(), std::move(bindings)));
  return replaced;
}

StatusOr<bool> Registry::Unbind(const Binding& place) {
  std::lock_guard lock(mutex_);
  std::vector<Binding> bindings = current_->bindings();
  auto it =
      std::find_if(bindings.begin(), bindings.end(), [&](const Binding& other) { return other.SamePlace(place); });
  if (it == bindings.end()) return false;
  if (it->configured) {
    return Refused("SCHEMA_CONFIGURED",
                   "the binding is the configuration's (schemas.bindings): change it there, and load "
                   "it again");
  }
  bindings.erase(it);
  RETURN_IF_ERROR(Exchange(current_->sets(), std::move(bindings)));
  return true;
}

void Registry::Collect(MetricsWriter& writer, std::string_view app) const {
  std::shared_ptr<const Schemas> now = Get();
  if (now == nullptr && good_.value() + refused_.value() == 0) return;
  writer.Counter("carillon_schema_checks_total", "Payloads of typed events, by what became of them.", good_.value(),
                 {{"app", app}, {"outcome", "good"}});
  writer.Counter("carillon_schema_checks_total", "Payloads of typed events, by what became of them.", refused_.value(),
                 {{"app", app}, {"outcome", "refused"}});
  writer.Gauge("carillon_schema_sets", "Sets of descriptors.", now == nullptr ? 0 : double(now->sets().size()),
               {{"app", app}});
  writer.Gauge("carillon_schema_bindings", "Bindings of streams and events to types.",
               now == nullptr ? 0 : double(now->bindings().size()), {{"app", app}});
}

}  // namespace carillon::schema
