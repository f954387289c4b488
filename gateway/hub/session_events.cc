#include "gateway/hub/session_events.h"

#include <string>

#include "gateway/hub/shard.h"

namespace carillon::hub {
namespace {

template <class Fill>
void Record(Session& session, v1::EventKind kind, Fill&& fill) {
  session.shard().engine().feed().Record(session.app(), kind, [&](v1::FeedEvent& event) {
    event.set_session_id(session.id().ToString());
    if (session.identity() != nullptr) event.set_user_id(session.identity()->user_id);
    fill(event);
  });
}

void FillOpened(const Session& session, v1::SessionOpened* opened) {
  for (const SessionId& id : session.resumes()) opened->add_resumes(id.ToString());
  const auth::IdentityPtr& identity = session.identity();
  if (identity == nullptr) return;
  opened->set_name(identity->name);
  opened->mutable_labels()->insert(identity->labels.begin(), identity->labels.end());
  opened->mutable_roles()->Add(identity->roles.begin(), identity->roles.end());
}

uint64_t LostBy(const Session& session) {
  return session.lag().lost.sum();
}

}  // namespace

void RecordOpened(Session& session) {
  Record(session, v1::EVENT_KIND_SESSION_OPENED,
         [&](v1::FeedEvent& event) { FillOpened(session, event.mutable_opened()); });
}

void RecordIdentified(Session& session) {
  Record(session, v1::EVENT_KIND_SESSION_IDENTIFIED,
         [&](v1::FeedEvent& event) { FillOpened(session, event.mutable_opened()); });
}

void RecordClosed(Session& session, wire::CloseCode cause) {
  Record(session, v1::EVENT_KIND_SESSION_CLOSED, [&](v1::FeedEvent& event) {
    v1::SessionClosed* closed = event.mutable_closed();
    const wire::CloseInfo& info = wire::InfoOf(cause);
    closed->set_code(static_cast<uint32_t>(info.code));
    closed->set_cause(std::string(info.name));
    auto lasted = std::chrono::system_clock::now() - session.connected_at();
    closed->set_lasted_ms(static_cast<uint64_t>(
        std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::milliseconds>(lasted).count())));
    closed->set_messages_lost(LostBy(session));
  });
}

void RecordSubscribed(Session& session, std::string_view stream) {
  Record(session, v1::EVENT_KIND_SUBSCRIBED, [&](v1::FeedEvent& event) { event.set_stream(std::string(stream)); });
}

void RecordUnsubscribed(Session& session, std::string_view stream) {
  Record(session, v1::EVENT_KIND_UNSUBSCRIBED, [&](v1::FeedEvent& event) { event.set_stream(std::string(stream)); });
}

void RecordClientEvent(Session& session, const std::string& event, const std::string& json,
                       const std::string& message_id) {
  Record(session, v1::EVENT_KIND_CLIENT_EVENT, [&](v1::FeedEvent& feed_event) {
    feed_event.mutable_client()->set_event(event);
    feed_event.mutable_client()->set_json(json);
    feed_event.mutable_client()->set_message_id(message_id);
  });
}

void RecordSlow(Session& session, bool closed) {
  if (session.subscriptions().empty()) return;  // it was not told of: it owes its token, or is gone
  Record(session, v1::EVENT_KIND_SLOW_CONSUMER, [&](v1::FeedEvent& event) {
    event.mutable_slow()->set_closed(closed);
    event.mutable_slow()->set_messages_lost(LostBy(session));
  });
}

}  // namespace carillon::hub
