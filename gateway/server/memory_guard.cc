#include "gateway/server/memory_guard.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "gateway/base/log.h"
#include "gateway/hub/answers.h"

namespace carillon::server {
namespace {

constexpr double kSoft = 0.80;
constexpr double kHard = 0.90;

// Below a mark by so much, it is over: clients that come and go at the mark must not switch it on and off.
constexpr double kSlack = 0.03;

// The part of the sessions that is closed in a second.
constexpr double kPart = 0.01;

// A control group without a limit says "max", or a number near 2^63.
constexpr uint64_t kNoLimit = uint64_t{1} << 60;

}  // namespace

uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

// Every group above the process's own limits it as well; the least counts.
uint64_t ControlGroupLimit(const std::string& root, const std::string& membership) {
  std::ifstream lines(membership);
  uint64_t least = kNoLimit;
  for (std::string line; std::getline(lines, line);) {
    size_t second = line.find(':', line.find(':') + 1);
    if (second == std::string::npos) continue;
    bool v2 = line.starts_with("0::");
    if (!v2 && line.find(":memory:") == std::string::npos) continue;
    std::string base = root + (v2 ? "" : "/memory");
    for (std::string path = line.substr(second + 1);; path.resize(path.rfind('/'))) {
      std::ifstream in(base + path + (v2 ? "/memory.max" : "/memory.limit_in_bytes"));
      uint64_t limit = 0;
      if (in >> limit) least = std::min(least, limit);
      if (path.empty() || path.front() != '/') break;
    }
  }
  return least == kNoLimit ? 0 : least;
}

uint64_t MemoryLimit(uint64_t configured) {
  return configured > 0 ? configured : ControlGroupLimit();
}

MemoryGuard::MemoryGuard(uint64_t limit, edge::EdgeServer& edge, hub::Node& node)
    : limit_(limit), edge_(edge), node_(node) {}

void MemoryGuard::Look() {
  if (limit_ == 0) return;
  uint64_t used = ResidentBytes();
  double part = static_cast<double>(used) / static_cast<double>(limit_);
  Pressure now = pressure_.load(std::memory_order_relaxed);
  auto mark = [&](double at, Pressure from) { return part >= (now >= from ? at - kSlack : at); };
  Pressure next = mark(kHard, Pressure::kHard)   ? Pressure::kHard
                  : mark(kSoft, Pressure::kSoft) ? Pressure::kSoft
                                                 : Pressure::kNone;
  if (next != now) Change(next, used);
  if (next == Pressure::kNone) return;
  ::malloc_trim(0);  // what was freed must be seen to be free
  if (next == Pressure::kHard) {
    node_.Tell(node_.all_shards(),
               [](hub::Shard& shard) { hub::CloseSlowest(shard, kPart, wire::CloseCode::kOverloaded); });
  }
}

void MemoryGuard::Change(Pressure pressure, uint64_t used) {
  pressure_.store(pressure, std::memory_order_relaxed);
  edge_.SetShortOfMemory(pressure != Pressure::kNone);
  node_.Tell(node_.all_shards(),
             [squeezed = pressure != Pressure::kNone](hub::Shard& shard) { shard.SetSqueezed(squeezed); });
  const char* what = pressure == Pressure::kNone   ? "memory is enough again"
                     : pressure == Pressure::kSoft ? "short of memory: new clients are refused, outboxes are smaller"
                                                   : "very short of memory: the slowest clients are closed";
  log::Warn("server", what, {{"used_bytes", used}, {"limit_bytes", limit_}});
}

void MemoryGuard::Collect(MetricsWriter& writer) const {
  writer.Gauge("carillon_memory_bytes", "Memory that the process holds.", static_cast<double>(ResidentBytes()));
  writer.Gauge("carillon_memory_limit_bytes", "limits.memory_bytes, or what the control group allows; 0: none.",
               static_cast<double>(limit_));
  writer.Gauge("carillon_memory_pressure", "0: enough; 1: new clients are refused; 2: slow ones are closed.",
               static_cast<double>(pressure_.load(std::memory_order_relaxed)));
}

}  // namespace carillon::server
