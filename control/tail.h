#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "carillon/v1/admin.pb.h"
#include "control/caller.h"
#include "control/open_calls.h"
#include "gateway/base/metrics.h"
#include "gateway/hub/tap.h"

namespace carillon::control {

struct ControlContext;

// What may be looked at, at once and so far. Any thread.
class Tails {
 public:
  static constexpr size_t kMost = 16;
  static constexpr size_t kMostOfKey = 8;  // so that one does not keep the others out

  // A place among them for who has this key, until the last copy is gone. RESOURCE_EXHAUSTED: there are as many as
  // there may be.
  StatusOr<std::shared_ptr<void>> Enter(const std::string& key);

  void Count(uint64_t frames, uint64_t lost);
  void Collect(MetricsWriter& writer) const;

 private:
  struct Open {
    std::mutex mutex;
    std::multiset<std::string> keys;  // one for each
  };
  std::shared_ptr<Open> open_ = std::make_shared<Open>();
  SharedCounter frames_;
  SharedCounter lost_;
};

// One thing that went by, as the call shows it. `payload` of v1::TailRequest. Pure.
void FillFrame(const hub::Tapped& tapped, bool payloads, size_t max_payload_bytes, v1::TailFrame* frame);

// One call of AdminService.Tail. Shards put what goes by into a hub::Tap and tell nobody; this looks there now and
// then, and again when a response is written, one response at a time. Owned by: itself, until OnDone. Thread: any.
class Tail final : public OpenCalls::Call, public std::enable_shared_from_this<Tail> {
 public:
  // The call itself. Each completes later, with OnWritten and OnDone.
  class Call {
   public:
    virtual ~Call() = default;
    virtual void Write(const v1::TailResponse* response) = 0;
    virtual void Finish(const Status& status) = 0;
    // Without a word: for a caller that does not read. What completes then is OnWritten, with false.
    virtual void Cut() = 0;
  };

  // `metadata` is the call's, and lives as long as the call does, as the request does.
  static Tail* Begin(ControlContext& context, const grpc::ServerContextBase& metadata, const v1::TailRequest& request,
                     Call& call);
  ~Tail() override;

  void OnWritten(bool ok);
  void OnCancel();
  void OnDone();

  // OpenCalls::Call
  void OnStop() override;

 private:
  using Clock = std::chrono::steady_clock;

  Tail(ControlContext& context, const grpc::ServerContextBase& metadata, const v1::TailRequest& request, Call& call)
      : context_(context), metadata_(metadata), request_(request), call_(call) {}

  Status Prepare();
  void Attach();
  bool GiveUp();
  void CutOff(std::unique_lock<std::mutex>& lock);
  void OnAttached(size_t sessions, bool partial);
  Status CheckStill();
  void LookSoon();
  void End(const Status& status);
  bool FillResponse();
  void Advance();

  ControlContext& context_;
  const grpc::ServerContextBase& metadata_;
  const v1::TailRequest request_;
  Call& call_;
  std::shared_ptr<Tail> self_;

  std::mutex mutex_;
  std::shared_ptr<void> running_;
  std::shared_ptr<void> place_;
  std::shared_ptr<hub::Tap> tap_;  // null: the call was refused
  std::string app_;                // what it is called
  std::string by_;
  Clock::time_point deadline_;
  std::optional<size_t> sessions_;  // once it is attached
  size_t max_payload_bytes_ = 0;
  v1::TailResponse response_;
  uint64_t shown_ = 0;
  uint64_t lost_ = 0;
  std::optional<Status> end_;
  bool begun_ = false;                             // and that was said
  bool busy_ = false;                              // a response is being written
  std::optional<Clock::time_point> to_end_since_;  // since when the end has waited for that response to be read
  bool given_up_ = false;                          // it is not waited for any longer
  bool cutting_ = false;                           // Call::Cut runs: the call must not be finished
  bool finished_ = false;
};

}  // namespace carillon::control
