#pragma once

#include <optional>
#include <string>
#include <vector>

#include "carillon/v1/control.pb.h"
#include "control/caller.h"
#include "gateway/base/status.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/topic.h"

// The door for messages: each request is checked here, whole and once, and becomes a value that the rooms behind may
// trust. Errors are INVALID_ARGUMENT naming the field, what ReadPayload says, or what Caller says. Pure but for the ids
// of messages and the counters of schemas; any thread.
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

// Makes drafts.
class Drafter {
 public:
  explicit Drafter(size_t max_publish_bytes) : max_publish_bytes_(max_publish_bytes) {}

  StatusOr<Draft> Read(const v1::BroadcastToUserRequest& request, const Caller& caller);
  StatusOr<Draft> Read(const v1::BroadcastToUsersRequest& request, const Caller& caller);
  StatusOr<Draft> Read(const v1::BroadcastStreamRequest& request, const Caller& caller);
  StatusOr<Draft> Read(const v1::BroadcastAllRequest& request, const Caller& caller);
  StatusOr<Draft> Read(const v1::SendToSessionRequest& request, const Caller& caller);
  StatusOr<Draft> Read(const v1::PublishItem& item, const Caller& caller);

  size_t max_publish_bytes() const { return max_publish_bytes_; }

 private:
  // The message itself, on `stream`, to `topics`.
  StatusOr<Draft> Make(const Caller& caller, std::vector<wire::Topic> topics, const v1::Event& event,
                       const std::string& stream, const v1::PublishOptions& options,
                       bool stream_subscribers_only = false);

  const size_t max_publish_bytes_;
};

}  // namespace carillon::control
