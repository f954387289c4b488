#include "gateway/hub/judge.h"

#include <algorithm>

#include "gateway/hub/shard.h"

namespace carillon::hub {
namespace {

template <class Range, class Value>
bool Has(const Range& range, const Value& value) {
  return std::find(range.begin(), range.end(), value) != range.end();
}

bool IsSelected(const wire::Terms& terms, const auth::Identity* identity) {
  if (terms.labels.empty() && terms.user_ids.empty() && terms.roles.empty()) return true;
  if (identity == nullptr) return false;
  if (!terms.user_ids.empty() && !Has(terms.user_ids, identity->user_id)) return false;
  if (!terms.roles.empty() && std::none_of(terms.roles.begin(), terms.roles.end(),
                                           [&](const std::string& role) { return Has(identity->roles, role); })) {
    return false;
  }
  return std::all_of(terms.labels.begin(), terms.labels.end(), [&](const auto& label) {
    auto it = identity->labels.find(label.first);
    return it != identity->labels.end() && it->second == label.second;
  });
}

bool IsExcluded(const wire::Terms& terms, const Session& session) {
  const auth::Identity* identity = session.identity().get();
  if (identity != nullptr && Has(terms.excluded_users, identity->user_id)) return true;
  return std::any_of(terms.excluded_sessions.begin(), terms.excluded_sessions.end(),
                     [&](const SessionId& id) { return session.id() == id || Has(session.resumes(), id); });
}

}  // namespace

std::optional<wire::SkipReason> WhyNot(const wire::Frame& frame, const Session& session, const wire::Filter* filter,
                                       wire::WallClock::time_point now) {
  if (frame.stale(now)) return wire::SkipReason::kExpired;
  if (const wire::Terms* terms = frame.terms()) {
    if (IsExcluded(*terms, session)) return wire::SkipReason::kExcluded;
    if (!IsSelected(*terms, session.identity().get())) return wire::SkipReason::kFiltered;
    if (terms->stream_subscribers_only && !session.ListensToStream(frame.envelope().stream())) {
      return wire::SkipReason::kFiltered;
    }
  }
  if (filter != nullptr && !filter->Passes(frame.envelope())) return wire::SkipReason::kFiltered;
  return std::nullopt;
}

}  // namespace carillon::hub
