#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/auth/catalogue.h"
#include "gateway/auth/denials.h"
#include "gateway/auth/identity.h"
#include "gateway/hub/shard.h"

// A shard's answers to the questions of the control plane. Called on the shard's thread, through Node::Ask.
namespace carillon::hub {

// One session, as Subscribers lists it.
struct SessionInfo {
  SessionId id;
  auth::IdentityPtr identity;  // null: anonymous
  std::chrono::system_clock::time_point connected_at;
};

// The `limit` sessions of the shard with the smallest ids after `after` that listen to the topic, in order.
std::vector<SessionInfo> ListMembers(Shard& shard, const wire::TopicView& topic, SessionId after, size_t limit);

// Closes the sessions that listen to the topic; returns how many.
uint32_t KickMembers(Shard& shard, const wire::TopicView& topic, wire::CloseCode code, std::string_view reason);

// Closes the sessions of an app whom its denials keep out, those of a user or (empty) all, and tells them why: with
// 4003 or 4001. Returns how many.
uint32_t CloseDenied(Shard& shard, wire::AppId app, std::string_view user_id, const auth::Denials& denials,
                     std::chrono::system_clock::time_point now);

// Closes the sessions of an app. Returns how many.
uint32_t CloseApp(Shard& shard, wire::AppId app, wire::CloseCode code, std::string_view reason);

// The close code for a status of auth::Verifier::Verify or Denials::Check.
wire::CloseCode CodeOf(const Status& denied);

// What became of subscribing sessions.
struct RoomAnswer {
  uint32_t sessions = 0;  // that listen now
  uint32_t refused = 0;
};

// Subscribes a user's sessions to a stream, or one of them, and tells them; whoever may subscribe by themselves.
// `full`: no session that does not listen may begin to.
RoomAnswer SubscribeUser(Shard& shard, const wire::TopicView& user, const std::optional<SessionId>& only,
                         std::string_view stream, const auth::StreamAccess& rule, bool full);

// The counterpart. Returns how many listened.
uint32_t UnsubscribeUser(Shard& shard, const wire::TopicView& user, const std::optional<SessionId>& only,
                         std::string_view stream);

// Closes a part of the sessions, but at least one: those for which most bytes wait. Returns how many.
uint32_t CloseSlowest(Shard& shard, double part, wire::CloseCode code);

}  // namespace carillon::hub
