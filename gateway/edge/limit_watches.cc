#include "gateway/edge/limit_watches.h"

#include "gateway/base/log.h"

namespace carillon::edge {

void CountCrossed(MetricsWriter& writer, std::string_view limit, std::string_view app, uint64_t times) {
  constexpr std::string_view kName = "carillon_limit_crossed_total";
  constexpr std::string_view kHelp = "How often 80 % of a limit were crossed.";
  if (app.empty()) {
    writer.Counter(kName, kHelp, times, {{"limit", limit}});
  } else {
    writer.Counter(kName, kHelp, times, {{"limit", limit}, {"app", app}});
  }
}

void LimitWatches::Update(const LimitUse& use) {
  {
    std::lock_guard lock(mutex_);
    Watch& watch = watches_[{use.limit, use.app}];
    if (watch.near ? use.used * 4 < use.most * 3 : use.used * 5 < use.most * 4) watch.near = false;
    bool near = watch.near || use.used * 5 >= use.most * 4;
    if (!near || std::exchange(watch.near, true)) return;
    ++watch.crossed;
  }
  log::Warn("edge", kNearLimit,
            {{"limit", use.limit}, {"app", use.app}, {"used", use.used}, {"most", use.most}, {"setting", use.setting}});
  handler_(use, "");
}

void LimitWatches::Look(const std::vector<LimitUse>& limits) {
  for (const LimitUse& use : limits) Update(use);
  std::lock_guard lock(mutex_);
  Watches there;
  for (const LimitUse& use : limits) there[{use.limit, use.app}] = watches_[{use.limit, use.app}];
  watches_ = std::move(there);
}

void LimitWatches::Collect(MetricsWriter& writer, const std::vector<LimitUse>& limits) const {
  std::lock_guard lock(mutex_);
  for (const LimitUse& use : limits) {
    auto it = watches_.find({use.limit, use.app});
    uint64_t crossed = it == watches_.end() ? 0 : it->second.crossed;
    CountCrossed(writer, use.limit, use.app, crossed);
    double ratio = static_cast<double>(use.used) / static_cast<double>(use.most);
    constexpr std::string_view kName = "carillon_limit_ratio";
    constexpr std::string_view kHelp = "How much of a limit is used; 1 is all.";
    if (use.app.empty()) {
      writer.Gauge(kName, kHelp, ratio, {{"limit", use.limit}});
    } else {
      writer.Gauge(kName, kHelp, ratio, {{"limit", use.limit}, {"app", use.app}});
    }
  }
}

}  // namespace carillon::edge
