#pragma once

#include <string>
#include <string_view>

#include "gateway/hub/session.h"
#include "gateway/wire/close_code.h"

// What backends are told of a session, in the feed of its app, where that is recorded. Thread: the session's shard.
namespace carillon::hub {

void RecordOpened(Session& session);
void RecordIdentified(Session& session);
void RecordClosed(Session& session, wire::CloseCode cause);
void RecordSubscribed(Session& session, std::string_view stream);
void RecordUnsubscribed(Session& session, std::string_view stream);

// A client said something that is for backends; `json` is its payload.
void RecordClientEvent(Session& session, const std::string& event, const std::string& json,
                       const std::string& message_id);

// It is closed for being slow, or has lost messages.
void RecordSlow(Session& session, bool closed);

}  // namespace carillon::hub
