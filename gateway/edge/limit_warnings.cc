#include "gateway/edge/limit_warnings.h"

#include <algorithm>

#include "gateway/base/check.h"

namespace carillon::edge {
namespace {

constexpr std::string_view kOfAll[] = {"accept_rate", "address_rate", "address_connections"};
constexpr std::string_view kOfAnApp[] = {"user_connections", "subscriptions", "message_bytes", "message_rate",
                                         "event_rate"};

bool IsKnown(const LimitUse& use) {
  if (use.app.empty()) return std::find(std::begin(kOfAll), std::end(kOfAll), use.limit) != std::end(kOfAll);
  return std::find(std::begin(kOfAnApp), std::end(kOfAnApp), use.limit) != std::end(kOfAnApp);
}

}  // namespace

void LimitWarnings::Tell(const LimitUse& use, std::string_view who) {
  CARILLON_DCHECK(IsKnown(use));
  {
    std::lock_guard lock(mutex_);
    ++crossed_[{use.limit, use.app}];
  }
  handler_(use, who);
  uint64_t suppressed = 0;
  if (!sampler_.Allow(use.limit + " " + use.app, &suppressed)) return;
  log::Warn("edge", kNearLimit,
            {{"limit", use.limit},
             {"app", use.app},
             {"who", who},
             {"used", use.used},
             {"most", use.most},
             {"setting", use.setting},
             {"suppressed", suppressed}});
}

uint64_t LimitWarnings::Crossed(std::string_view limit, std::string_view app) const {
  std::lock_guard lock(mutex_);
  auto it = crossed_.find({std::string(limit), std::string(app)});
  return it == crossed_.end() ? 0 : it->second;
}

void LimitWarnings::Collect(MetricsWriter& writer, const auth::Apps& apps) const {
  for (std::string_view limit : kOfAll) CountCrossed(writer, limit, "", Crossed(limit, ""));
  for (const auth::App& app : apps.all()) {
    for (std::string_view limit : kOfAnApp) CountCrossed(writer, limit, app.name, Crossed(limit, app.name));
  }
}

}  // namespace carillon::edge
