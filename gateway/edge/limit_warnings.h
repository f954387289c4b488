#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "gateway/auth/app.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/edge/limit_watches.h"

namespace carillon::edge {

// Tells operators which of many, users or addresses or sessions, have come near a limit of their own: each crossing of
// 80 % counts, and is a line, of each limit at most one a second. Thread: any.
class LimitWarnings {
 public:
  // Before anything else.
  void SetHandler(OnCrossed handler) { handler_ = std::move(handler); }

  // True where the one more that was counted crosses 80 %. Where there is no number between 80 % and all, none does.
  static bool Crosses(size_t used, size_t most) {
    return used > 0 && used < most && used * 5 >= most * 4 && (used - 1) * 5 < most * 4;
  }

  // `use.limit` is one of limit_warnings.cc; `who` is the user, network or session.
  void Tell(const LimitUse& use, std::string_view who);

  // Also of what was never crossed, in each of the apps.
  void Collect(MetricsWriter& writer, const auth::Apps& apps) const;

 private:
  uint64_t Crossed(std::string_view limit, std::string_view app) const;

  OnCrossed handler_ = [](const LimitUse&, std::string_view) {};
  log::SamplerByReason sampler_;
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, uint64_t> crossed_;  // by limit and app
};

}  // namespace carillon::edge
