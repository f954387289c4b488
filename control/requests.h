#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "carillon/v1/control.pb.h"
#include "gateway/base/ids.h"
#include "gateway/base/status.h"
#include "gateway/wire/close_code.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/topic.h"

// The door for requests: each is checked here, whole and once, and becomes a value that the rooms behind may trust.
// Errors are INVALID_ARGUMENT naming the field. Pure but for the message ids; any thread.
namespace carillon::control {

// A message on its way: to whom, what, and how.
struct Draft {
  std::vector<wire::Topic> topics;
  wire::FramePtr frame;
  std::string request_id;  // empty: none
  uint64_t fingerprint = 0;
  bool skip_history = false;
  std::optional<wire::Position> expected;
  bool report = false;
};

// Makes drafts. Message ids are unique to the process and unpredictable across processes.
class Drafter {
 public:
  explicit Drafter(size_t max_publish_bytes);

  StatusOr<Draft> Read(const v1::BroadcastToUserRequest& request);
  StatusOr<Draft> Read(const v1::BroadcastToUsersRequest& request);
  StatusOr<Draft> Read(const v1::BroadcastStreamRequest& request);
  StatusOr<Draft> Read(const v1::BroadcastAllRequest& request);
  StatusOr<Draft> Read(const v1::SendToSessionRequest& request);
  StatusOr<Draft> Read(const v1::PublishItem& item);

 private:
  // The message itself, on `stream`, to `topics`.
  StatusOr<Draft> Make(std::vector<wire::Topic> topics, const v1::Event& event, std::string_view stream,
                       const v1::PublishOptions& options, bool stream_subscribers_only = false);

  const size_t max_publish_bytes_;
  const std::string boot_;
  std::atomic<uint64_t> next_id_{1};
};

struct KickOrder {
  wire::Topic topic;
  wire::CloseCode code;
  std::string reason;
};
StatusOr<KickOrder> ReadKick(const v1::KickRequest& request);

struct ListOrder {
  wire::Topic topic;
  SessionId after;
  size_t page_size;
};
StatusOr<ListOrder> ReadSubscribers(const v1::SubscribersRequest& request);

StatusOr<wire::Topic> ReadCount(const v1::CountSubscribersRequest& request);

// The page token that continues after a session.
std::string PageToken(SessionId last);

struct ReadOrder {
  wire::Topic topic;
  std::optional<wire::Position> after;
  size_t page_size;
};
StatusOr<ReadOrder> ReadListMessages(const v1::ListMessagesRequest& request);

struct RevokeOrder {
  std::string token_id;  // or else:
  std::string user_id;
  std::chrono::system_clock::time_point issued_before;
};
StatusOr<RevokeOrder> ReadRevokeTokens(const v1::RevokeTokensRequest& request,
                                       std::chrono::system_clock::time_point now);

struct BlockOrder {
  std::string user_id;
  std::optional<std::chrono::seconds> duration;
  std::string reason;
};
StatusOr<BlockOrder> ReadBlockUser(const v1::BlockUserRequest& request);

Status CheckUnblockUser(const v1::UnblockUserRequest& request);

struct BlockedOrder {
  std::string after;
  size_t page_size;
};
StatusOr<BlockedOrder> ReadListBlockedUsers(const v1::ListBlockedUsersRequest& request);

// The page token that continues after a user.
std::string PageToken(std::string_view last_user);

// The page token that continues after a message.
std::string PageToken(const wire::Position& last);

StatusOr<wire::Topic> ReadClearMessages(const v1::ClearMessagesRequest& request);

}  // namespace carillon::control
