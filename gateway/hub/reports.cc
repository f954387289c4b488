#include "gateway/hub/reports.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace carillon::hub {
namespace {

SessionReport ReportOf(Session& session) {
  return {{session.id(), session.identity(), session.connected_at()},
          session.peer(),
          session.lag(),
          session.streams(),
          session.queued(),
          session.said()};
}

// The first `limit` by an order, of which there may be many more.
template <class Item, class Less>
void KeepFirst(std::vector<Item>* items, size_t limit, Less less) {
  auto end = items->begin() + static_cast<ptrdiff_t>(std::min(limit, items->size()));
  std::partial_sort(items->begin(), end, items->end(), less);
  items->erase(end, items->end());
}

}  // namespace

bool SessionFilter::Takes(const auth::Identity* identity) const {
  if (user_id.empty() && labels.empty()) return true;
  if (identity == nullptr || (!user_id.empty() && identity->user_id != user_id)) return false;
  return std::all_of(labels.begin(), labels.end(), [&](const auto& wanted) {
    auto label = identity->labels.find(wanted.first);
    return label != identity->labels.end() && label->second == wanted.second;
  });
}

std::vector<SessionReport> ListSessions(Shard& shard, wire::AppId app, const SessionFilter& filter, SessionId after,
                                        size_t limit) {
  std::vector<Session*> sessions;
  shard.ForEachSession([&](Session& session) {
    if (session.app() != app || session.closing() || session.id() <= after) return;
    if (filter.Takes(session.identity().get())) sessions.push_back(&session);
  });
  KeepFirst(&sessions, limit, [](const Session* a, const Session* b) { return a->id() < b->id(); });
  std::vector<SessionReport> page;
  for (Session* session : sessions) page.push_back(ReportOf(*session));
  return page;
}

std::optional<SessionDetails> DescribeSession(Shard& shard, wire::AppId app, const SessionId& id, size_t limit) {
  Session* session = shard.FindSession(id);
  if (session == nullptr || session->app() != app || session->closing()) return std::nullopt;
  SessionDetails details{ReportOf(*session), {}};
  for (const Subscription& subscription : session->subscriptions()) {
    wire::TopicView topic = subscription.topic->interest->topic();
    if (topic.kind == wire::TopicKind::kStream) details.streams.emplace_back(topic.name);
  }
  KeepFirst(&details.streams, limit, std::less<>());
  return details;
}

namespace {

bool IsSlower(const Session::Lag& a, const Session::Lag& b) {
  return std::pair(a.bytes, a.lost.sum()) > std::pair(b.bytes, b.lost.sum());
}

}  // namespace

bool IsSlower(const SessionReport& a, const SessionReport& b) {
  return IsSlower(a.lag, b.lag);
}

// When many are slow there is least time to describe them all.
std::vector<SessionReport> ListSlow(Shard& shard, wire::AppId app, size_t limit) {
  std::vector<std::pair<Session::Lag, Session*>> slow;
  shard.ForEachSession([&](Session& session) {
    if (session.app() != app || session.closing()) return;
    Session::Lag lag = session.lag();
    if (lag.messages > 0 || !lag.lost.none()) slow.emplace_back(lag, &session);
  });
  KeepFirst(&slow, limit, [](const auto& a, const auto& b) { return IsSlower(a.first, b.first); });
  std::vector<SessionReport> reports;
  for (const auto& [lag, session] : slow) reports.push_back(ReportOf(*session));
  return reports;
}

}  // namespace carillon::hub
