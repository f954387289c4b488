#include "gateway/hub/answers.h"

#include <algorithm>

namespace carillon::hub {
namespace {

std::vector<Session*> MembersOf(Shard& shard, const wire::TopicView& topic) {
  std::vector<Session*> sessions;
  if (topic.kind == wire::TopicKind::kSession) {
    auto id = SessionId::Parse(topic.name);
    Session* session = id.has_value() ? shard.FindSession(*id) : nullptr;
    bool there = session != nullptr && session->app() == topic.app && !session->closing();
    if (there) sessions.push_back(session);
  } else if (const LocalTopic* local = shard.FindTopic(topic)) {
    for (const Member& member : local->members) {
      if (!member.session->closing()) sessions.push_back(member.session);
    }
  }
  return sessions;
}

}  // namespace

std::vector<SessionInfo> ListMembers(Shard& shard, const wire::TopicView& topic, SessionId after, size_t limit) {
  std::vector<Session*> sessions = MembersOf(shard, topic);
  std::erase_if(sessions, [after](const Session* session) { return session->id() <= after; });
  auto by_id = [](const Session* a, const Session* b) { return a->id() < b->id(); };
  auto end = sessions.begin() + static_cast<ptrdiff_t>(std::min(limit, sessions.size()));
  std::partial_sort(sessions.begin(), end, sessions.end(), by_id);
  std::vector<SessionInfo> page;
  for (auto it = sessions.begin(); it != end; ++it) {
    page.push_back({(*it)->id(), (*it)->identity(), (*it)->connected_at()});
  }
  return page;
}

uint32_t KickMembers(Shard& shard, const wire::TopicView& topic, wire::CloseCode code, std::string_view reason) {
  std::vector<Session*> sessions = MembersOf(shard, topic);
  for (Session* session : sessions) session->Close(code, reason, wire::CloseCode::kKicked);
  return static_cast<uint32_t>(sessions.size());
}

wire::CloseCode CodeOf(const Status& denied) {
  if (absl::IsPermissionDenied(denied)) return wire::CloseCode::kForbidden;
  return absl::IsUnavailable(denied) ? wire::CloseCode::kOverloaded : wire::CloseCode::kUnauthorized;
}

uint32_t CloseApp(Shard& shard, wire::AppId app, wire::CloseCode code, std::string_view reason) {
  std::vector<Session*> sessions;
  shard.ForEachSession([&](Session& session) {
    if (session.app() == app && !session.closing()) sessions.push_back(&session);
  });
  for (Session* session : sessions) session->Close(code, reason);
  return static_cast<uint32_t>(sessions.size());
}

uint32_t CloseDenied(Shard& shard, wire::AppId app, std::string_view user_id, const auth::Denials& denials,
                     std::chrono::system_clock::time_point now) {
  std::vector<Session*> sessions;
  if (!user_id.empty()) {
    sessions = MembersOf(shard, {app, wire::TopicKind::kUser, user_id});
  } else {
    shard.ForEachSession([&](Session& session) {
      if (session.app() == app && session.identity() != nullptr && !session.closing()) sessions.push_back(&session);
    });
  }
  uint32_t closed = 0;
  for (Session* session : sessions) {
    Status status = denials.Check(*session->identity(), now);
    if (status.ok()) continue;
    session->Close(CodeOf(status), MessageOf(status));
    ++closed;
  }
  return closed;
}

std::vector<SlowSession> ListSlow(Shard& shard, size_t limit) {
  std::vector<SlowSession> slow;
  shard.ForEachSession([&](Session& session) {
    Session::Lag lag = session.lag();
    if (session.closing() || (lag.messages == 0 && lag.lost.none())) return;
    slow.push_back({{session.id(), session.identity(), session.connected_at()}, lag});
  });
  auto more = [](const SlowSession& a, const SlowSession& b) { return a.lag.bytes > b.lag.bytes; };
  auto end = slow.begin() + static_cast<ptrdiff_t>(std::min(limit, slow.size()));
  std::partial_sort(slow.begin(), end, slow.end(), more);
  slow.erase(end, slow.end());
  return slow;
}

uint32_t CloseSlowest(Shard& shard, double part, wire::CloseCode code) {
  auto most = static_cast<size_t>(part * static_cast<double>(shard.stats().sessions.value()));
  uint32_t closed = 0;
  for (const SlowSession& slow : ListSlow(shard, std::max<size_t>(1, most))) {
    Session* session = shard.FindSession(slow.session.id);
    if (slow.lag.messages == 0 || session == nullptr) continue;
    session->outbox().DropUnsent();
    session->Close(code, wire::InfoOf(code).reason);
    ++closed;
  }
  return closed;
}

}  // namespace carillon::hub
