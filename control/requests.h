#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "carillon/v1/control.pb.h"
#include "control/caller.h"
#include "control/event_feed.h"
#include "gateway/base/ids.h"
#include "gateway/base/status.h"
#include "gateway/wire/close_code.h"
#include "gateway/wire/position.h"
#include "gateway/wire/topic.h"

// The door for questions and orders: each is checked here, whole and once, and becomes a value that the rooms behind
// may trust. Errors are INVALID_ARGUMENT naming the field, or what Caller says. Pure; any thread.
namespace carillon::control {

struct KickOrder {
  wire::Topic topic;
  wire::CloseCode code;
  std::string reason;
};
StatusOr<KickOrder> ReadKick(const v1::KickRequest& request, const Caller& caller);

struct ListOrder {
  wire::Topic topic;
  SessionId after;
  size_t page_size;
};
StatusOr<ListOrder> ReadSubscribers(const v1::SubscribersRequest& request, const Caller& caller);

StatusOr<wire::Topic> ReadCount(const v1::CountSubscribersRequest& request, const Caller& caller);

StatusOr<WatchOrder> ReadWatch(const v1::WatchBegin& begin, const Caller& caller);

// The page token that continues after a session, and back; empty: from the first.
std::string PageToken(SessionId last);
StatusOr<SessionId> ReadSessionToken(const std::string& token);

struct PresenceOrder {
  wire::Topic stream;
  std::string after;
  size_t page_size;  // 0: the count alone
};
StatusOr<PresenceOrder> ReadGetPresence(const v1::GetPresenceRequest& request, const Caller& caller);

struct ReadOrder {
  wire::Topic topic;
  std::optional<wire::Position> after;
  size_t page_size;
};
StatusOr<ReadOrder> ReadListMessages(const v1::ListMessagesRequest& request, const Caller& caller);

struct RevokeOrder {
  const auth::App* app = nullptr;  // lives as long as the caller
  std::string token_id;            // or else:
  std::string user_id;
  std::chrono::system_clock::time_point issued_before;
};
StatusOr<RevokeOrder> ReadRevokeTokens(const v1::RevokeTokensRequest& request, const Caller& caller,
                                       std::chrono::system_clock::time_point now);

struct BlockOrder {
  const auth::App* app = nullptr;  // lives as long as the caller
  std::string user_id;
  std::optional<std::chrono::seconds> duration;
  std::string reason;
};
StatusOr<BlockOrder> ReadBlockUser(const v1::BlockUserRequest& request, const Caller& caller);

StatusOr<const auth::App*> ReadUnblockUser(const v1::UnblockUserRequest& request, const Caller& caller);

struct BlockedOrder {
  const auth::App* app = nullptr;  // lives as long as the caller
  std::string after;
  size_t page_size;
};
StatusOr<BlockedOrder> ReadListBlockedUsers(const v1::ListBlockedUsersRequest& request, const Caller& caller);

// The page token that continues after a user.
std::string PageToken(std::string_view last_user);

// The page token that continues after a message.
std::string PageToken(const wire::Position& last);

StatusOr<wire::Topic> ReadClearMessages(const v1::ClearMessagesRequest& request, const Caller& caller);

}  // namespace carillon::control
