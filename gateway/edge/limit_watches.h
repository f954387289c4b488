#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
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

// Hears that a limit has come near; `who` is the user, network or session whose it is, or empty. Perhaps with locks of
// the edge held.
using OnCrossed = std::function<void(const LimitUse& use, std::string_view who)>;

inline constexpr char kNearLimit[] = "80 % of a limit are used; at all of it more are refused";

// How often 80 % of a limit were crossed, as a metric. `app` empty: of all of them together.
void CountCrossed(MetricsWriter& writer, std::string_view limit, std::string_view app, uint64_t times);

// Tells operators which limits of the gateway and of apps have come near: a line when 80 % are crossed, and again only
// after it was seen below 75 %. Thread: any.
class LimitWatches {
 public:
  // Before anything else.
  void SetHandler(OnCrossed handler) { handler_ = std::move(handler); }

  // What there is now; what is not among it any more is forgotten. Now and then, so that falling is seen.
  void Look(const std::vector<LimitUse>& limits);

  // One of them is about to be used, and may be refused. Costs nothing while it is far away.
  void LookAt(const char* limit, const std::string& app, size_t used, size_t most, const char* setting) {
    if (most > 0 && used * 5 >= most * 4) Update({limit, app, used, most, setting});
  }

  void Collect(MetricsWriter& writer, const std::vector<LimitUse>& limits) const;

 private:
  struct Watch {
    bool near = false;
    uint64_t crossed = 0;
  };
  using Watches = std::map<std::pair<std::string, std::string>, Watch>;  // by limit and app

  void Update(const LimitUse& use);

  OnCrossed handler_ = [](const LimitUse&, std::string_view) {};
  mutable std::mutex mutex_;
  Watches watches_;
};

}  // namespace carillon::edge
