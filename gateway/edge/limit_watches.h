#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/base/metrics.h"

namespace carillon::edge {

// How much of a limit is used.
struct LimitUse {
  std::string limit;  // of a fixed set
  std::string app;    // empty: all of them together
  size_t used = 0;
  size_t most = 0;      // not 0
  std::string setting;  // that says it
};

inline constexpr char kNearLimit[] = "80 % of a limit are used; at all of it more are refused";

// How often 80 % of a limit were crossed, as a metric. `app` empty: of all of them together.
void CountCrossed(MetricsWriter& writer, std::string_view limit, std::string_view app, uint64_t times);

// Tells operators which limits have come near: a line when 80 % are crossed, and again only after it was below 75 %.
// Thread: one.
class LimitWatches {
 public:
  // What there is now; what is not among it any more is forgotten.
  void Look(const std::vector<LimitUse>& limits);

  void Collect(MetricsWriter& writer, const std::vector<LimitUse>& limits) const;

 private:
  struct Watch {
    bool near = false;
    uint64_t crossed = 0;
  };
  std::map<std::pair<std::string, std::string>, Watch> watches_;  // by limit and app
};

}  // namespace carillon::edge
