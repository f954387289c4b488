#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/metrics.h"
#include "gateway/base/status.h"
#include "gateway/schema/schemas.h"

namespace carillon::schema {

// How much of it an app may have.
struct Limits {
  size_t sets = 16;
  size_t set_bytes = 1 << 20;  // of all sets together, as they came
  size_t bindings = 200;
  size_t max_publish_bytes = 512 << 10;
};

// What the configuration says of an app.
struct Configured {
  std::vector<DescriptorSetPtr> sets;
  std::vector<Binding> bindings;
};

// What an app's payloads must be now: what the configuration says, then what backends registered and bound, which lives
// in memory. Exchanged as a whole: a publish goes by all of the old or all of the new. Any thread.
class Registry {
 public:
  Registry();

  // What counts now; null where the app has no sets and no bindings, which costs next to nothing to learn.
  std::shared_ptr<const Schemas> Get() const {
    if (!any_.load(std::memory_order_acquire)) return nullptr;
    return GetAlways();
  }

  // The same, and never null.
  std::shared_ptr<const Schemas> GetAlways() const;

  // Takes another configuration. Sets of backends that are named as one of its own give way. Bindings of backends stay,
  // also where their type is gone: what was to be checked is rather refused than let through.
  void Configure(Configured configured, const Limits& limits);

  // Forgets everything.
  void Clear();

  // A set of a backend, in the place of the one of that name; the answer is whether there was one. FAILED_PRECONDITION:
  // the name is the configuration's, a binding would lose its type, or it is one too many.
  StatusOr<bool> Register(DescriptorSetPtr set);
  StatusOr<bool> Remove(const std::string& name);

  // A binding of a backend, in the place of the same stream and event; the answer is whether there was one.
  // FAILED_PRECONDITION: the place is the configuration's, no set has the type, or it is one too many.
  StatusOr<bool> Bind(Binding binding);
  StatusOr<bool> Unbind(const Binding& place);

  // Counts payloads that were checked.
  void Count(bool good) { (good ? good_ : refused_).Add(); }

  void Collect(MetricsWriter& writer, std::string_view app) const;

 private:
  // With the lock, all of them.
  Status CheckNotConfigured(const std::string& set) const;
  Status Exchange(std::vector<DescriptorSetPtr> sets, std::vector<Binding> bindings);
  void Publish(std::vector<DescriptorSetPtr> sets, std::vector<Binding> bindings);

  mutable std::mutex mutex_;
  Limits limits_;
  std::shared_ptr<const Schemas> current_;
  std::atomic<bool> any_{false};
  SharedCounter good_;
  SharedCounter refused_;
};

}  // namespace carillon::schema
