#pragma once

#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "gateway/base/metrics.h"
#include "gateway/base/string_map.h"
#include "gateway/hooks/backend.h"

namespace carillon::hooks {

using BackendPtr = std::shared_ptr<Backend>;

// The backends that there are, by name. They may be exchanged while they are asked. Thread: any.
class Backends {
 public:
  Backends() = default;
  explicit Backends(std::vector<BackendRules> rules) { Set(std::move(rules)); }
  ~Backends() { Stop(); }
  Backends(const Backends&) = delete;
  Backends& operator=(const Backends&) = delete;

  // From here on there are these. One whose rules are the same stays as it is; questions to the others still end.
  // INVARIANT: no two have one name.
  void Set(std::vector<BackendRules> rules);

  // Null where there is none.
  BackendPtr Find(std::string_view name) const;

  // Asks nothing more; returns when no question is on its way, also to those that were exchanged. Idempotent.
  void Stop();

  // Sorted by name.
  std::vector<BackendState> states() const;
  void Collect(MetricsWriter& writer) const;

 private:
  std::vector<BackendPtr> all() const;

  mutable std::mutex mutex_;
  StringMap<BackendPtr> backends_;
  std::vector<std::weak_ptr<Backend>> gone_;  // of which questions may be on their way
};

}  // namespace carillon::hooks
