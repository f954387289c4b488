#include "gateway/hub/answers.h"

#include <algorithm>

namespace carillon::hub {
namespace {

std::vector<Session*> MembersOf(Shard& shard, const wire::TopicView& topic) {
  std::vector<Session*> sessions;
  if (topic.kind == wire::TopicKind::kSession) {
    auto id = SessionId::Parse(topic.name);
    Session* session = id.has_value() ? shard.FindSession(*id) : nullptr;
    if (session != nullptr && !session->closing()) sessions.push_back(session);
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

void SendHome(Session& session) {
  constexpr uint32_t kRetryAfterMs = 1000;
  session.Reply(dialect::Restart{kRetryAfterMs});
  session.Close(wire::CloseCode::kRestart, wire::InfoOf(wire::CloseCode::kRestart).reason);
}

uint32_t SendAllHome(Shard& shard) {
  shard.BeginSendingHome();
  std::vector<Session*> sessions;
  shard.ForEachSession([&](Session& session) { sessions.push_back(&session); });
  for (Session* session : sessions) SendHome(*session);
  return static_cast<uint32_t>(sessions.size());
}

}  // namespace carillon::hub
