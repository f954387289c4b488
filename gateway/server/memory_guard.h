#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "gateway/base/metrics.h"
#include "gateway/edge/edge_server.h"
#include "gateway/hub/node.h"

namespace carillon::server {

// Keeps the process from being killed for its memory: short of it, it takes no new clients and holds less for slow
// ones; very short, it closes the slowest (reliability notes R71). Thread: the main loop's, but for Collect.
class MemoryGuard {
 public:
  enum class Pressure : uint8_t { kNone, kSoft, kHard };

  // `limit` in bytes; 0 for none.
  MemoryGuard(uint64_t limit, edge::EdgeServer& edge, hub::Node& node);

  // Looks, and does what must be done. About once a second.
  void Look();

  void Collect(MetricsWriter& writer) const;

 private:
  void Change(Pressure pressure, uint64_t used);

  const uint64_t limit_;  // 0: none
  edge::EdgeServer& edge_;
  hub::Node& node_;
  std::atomic<Pressure> pressure_{Pressure::kNone};
};

// What the process may hold: what was configured, or else what the control group allows; 0 where neither says.
uint64_t MemoryLimit(uint64_t configured);

// The memory that the process holds, in bytes.
uint64_t ResidentBytes();

// What the process's control group (version 2, or 1) and those above it allow; 0 where they do not say.
uint64_t ControlGroupLimit(const std::string& root = "/sys/fs/cgroup",
                           const std::string& membership = "/proc/self/cgroup");

}  // namespace carillon::server
