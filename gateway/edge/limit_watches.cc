#include "gateway/edge/limit_watches.h"

#include "gateway/base/log.h"

namespace carillon::edge {

void LimitWatches::Look(const std::vector<LimitUse>& limits) {
  std::map<std::pair<std::string, std::string>, Watch> watches;
  for (const LimitUse& use : limits) {
    Watch watch = watches_[{use.limit, use.app}];
    if (watch.near ? use.used * 4 < use.most * 3 : use.used * 5 < use.most * 4) {
      watch.near = false;
    } else if (!std::exchange(watch.near, true)) {
      ++watch.crossed;
      log::Warn(
          "edge", "80 % of a limit are used; at all of it more are refused",
          {{"limit", use.limit}, {"app", use.app}, {"used", use.used}, {"most", use.most}, {"setting", use.setting}});
    }
    watches[{use.limit, use.app}] = watch;
  }
  watches_ = std::move(watches);
}

void LimitWatches::Collect(MetricsWriter& writer, const std::vector<LimitUse>& limits) const {
  for (const LimitUse& use : limits) {
    auto it = watches_.find({use.limit, use.app});
    uint64_t crossed = it == watches_.end() ? 0 : it->second.crossed;
    double ratio = static_cast<double>(use.used) / static_cast<double>(use.most);
    constexpr std::string_view kRatio = "carillon_limit_ratio";
    constexpr std::string_view kCrossed = "carillon_limit_crossed_total";
    constexpr std::string_view kRatioHelp = "How much of a limit is used; 1 is all.";
    constexpr std::string_view kCrossedHelp = "How often 80 % of a limit were crossed.";
    if (use.app.empty()) {
      writer.Gauge(kRatio, kRatioHelp, ratio, {{"limit", use.limit}});
      writer.Counter(kCrossed, kCrossedHelp, crossed, {{"limit", use.limit}});
    } else {
      writer.Gauge(kRatio, kRatioHelp, ratio, {{"limit", use.limit}, {"app", use.app}});
      writer.Counter(kCrossed, kCrossedHelp, crossed, {{"limit", use.limit}, {"app", use.app}});
    }
  }
}

}  // namespace carillon::edge
