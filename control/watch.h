#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "carillon/v1/events.pb.h"
#include "control/caller.h"
#include "control/control_service.h"
#include "control/event_feed.h"

namespace carillon::control {

// One call of EventService.Watch: reads acknowledgements, and writes what its place in the feed has, one response at a
// time, so that gRPC's flow control reaches the log and nothing is queued between.
// Owned by: itself, until OnDone. Thread: any.
class Watch final : public EventFeed::Watcher, public std::enable_shared_from_this<Watch> {
 public:
  // The call itself. Each completes later, with OnRead, OnWritten and OnDone.
  class Call {
   public:
    virtual ~Call() = default;
    virtual void Read(v1::WatchRequest* request) = 0;
    virtual void Write(const v1::WatchResponse* response) = 0;
    virtual void Finish(const Status& status) = 0;
  };

  // `metadata` is the call's, and lives as long as the call does.
  static Watch* Begin(ControlContext& context, const grpc::ServerContextBase& metadata, Call& call);

  void OnRead(bool ok);
  void OnWritten(bool ok);
  void OnCancel();
  void OnDone();

  // EventFeed::Watcher
  void Wake() override { Advance(); }

 private:
  Watch(ControlContext& context, const grpc::ServerContextBase& metadata, Call& call)
      : context_(context), metadata_(metadata), call_(call) {}

  Status Take(const v1::WatchRequest& request);
  Status CheckStill();
  StatusOr<std::optional<v1::WatchResponse>> Next();
  void End(const Status& status);
  void Advance();

  ControlContext& context_;
  const grpc::ServerContextBase& metadata_;
  Call& call_;
  std::shared_ptr<Watch> self_;
  std::shared_ptr<void> running_;
  v1::WatchRequest request_;
  v1::WatchResponse response_;

  std::mutex mutex_;
  std::string app_;                        // what it is called
  std::unique_ptr<EventFeed::Stay> stay_;  // once `begin` has come
  std::optional<Status> end_;
  bool to_read_ = false;
  bool beginning_read_ = false;
  bool busy_ = false;   // somebody looks for a response, or it is being written
  bool again_ = false;  // and somebody has said meanwhile that there is more
  bool finished_ = false;
};

}  // namespace carillon::control
