#include "gateway/hub/answers.h"

#include <algorithm>
#include <functional>
#include <utility>

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

// The same of a user, or only one of them.
std::vector<Session*> MembersOf(Shard& shard, const wire::TopicView& user, const std::optional<SessionId>& only) {
  std::vector<Session*> sessions = MembersOf(shard, user);
  if (only.has_value()) std::erase_if(sessions, [&](const Session* session) { return session->id() != *only; });
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

RoomAnswer SubscribeUser(Shard& shard, const wire::TopicView& user, const std::optional<SessionId>& only,
                         std::string_view stream, const auth::StreamAccess& rule, bool full) {
  RoomAnswer answer;
  for (Session* session : MembersOf(shard, user, only)) {
    if (session->ListensToStream(stream)) {
      ++answer.sessions;
      continue;
    }
    auto imposed = rule.FilterFor(session->identity().get());
    if (full || !imposed.has_value() || session->streams() >= session->settings().max_subscriptions) {
      ++answer.refused;
      continue;
    }
    SubscribeWish wish;
    if (!imposed->empty()) {
      wire::Filter filter;
      filter.imposed = *std::move(imposed);
      wish.filter = std::make_shared<const wire::Filter>(std::move(filter));
    }
    SubscribeAnswer begun = shard.Subscribe(*session, session->StreamTopic(stream), std::move(wish));
    dialect::Subscribed notice{{}, {std::string(stream)}, {}, {}};
    if (!begun.at.epoch.empty()) {
      notice.logs.push_back({std::string(stream), begun.at, begun.top.offset, dialect::Recovered::kNotAsked});
    }
    session->Reply(notice);
    ++answer.sessions;
  }
  return answer;
}

uint32_t UnsubscribeUser(Shard& shard, const wire::TopicView& user, const std::optional<SessionId>& only,
                         std::string_view stream) {
  uint32_t left = 0;
  for (Session* session : MembersOf(shard, user, only)) {
    session->Withdraw(stream);  // a backend may just be saying yes to what it did not know yet
    if (!shard.Unsubscribe(*session, session->StreamTopic(stream))) continue;
    session->Reply(dialect::Unsubscribed{{}, {std::string(stream)}});
    ++left;
  }
  return left;
}

uint32_t CloseSlowest(Shard& shard, double part, wire::CloseCode code) {
  std::vector<std::pair<size_t, Session*>> waiting;
  shard.ForEachSession([&](Session& session) {
    Session::Lag lag = session.lag();
    if (!session.closing() && lag.messages > 0) waiting.emplace_back(lag.bytes, &session);
  });
  auto most = static_cast<size_t>(part * static_cast<double>(shard.stats().sessions.value()));
  auto end = waiting.begin() + static_cast<ptrdiff_t>(std::min(std::max<size_t>(1, most), waiting.size()));
  std::partial_sort(waiting.begin(), end, waiting.end(), std::greater<>());
  for (auto it = waiting.begin(); it != end; ++it) {
    it->second->outbox().DropUnsent();
    it->second->Close(code, wire::InfoOf(code).reason);
  }
  return static_cast<uint32_t>(end - waiting.begin());
}

}  // namespace carillon::hub
