#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "carillon/v1/events.pb.h"
#include "gateway/base/metrics.h"
#include "gateway/base/status.h"
#include "gateway/engine/engine.h"

namespace carillon::control {

// Which events somebody wants. Immutable.
struct EventWish {
  std::vector<v1::EventKind> kinds;
  std::vector<std::string> streams;  // patterns
  std::vector<std::string> users;
  std::vector<std::string> client_events;  // auth::MatchesEvent

  bool Takes(const v1::FeedEvent& event) const;
};

// What somebody wants to watch; checked.
struct WatchOrder {
  wire::AppId app = wire::kDefaultApp;
  std::string app_name{wire::kDefaultAppName};
  std::string group;  // empty: none
  uint32_t partitions = 1;
  std::optional<wire::Position> resume;
  bool from_oldest = false;
  EventWish wish;
  size_t max_unacknowledged = 1000;
};

// Who watches the feeds of events, and how far they have come. A feed is read from the engine's log, never copied: each
// part of a group has a place in it, and what is behind that place is acknowledged.
// Thread: any. It has one of its own, which wakes those who wait for something new.
class EventFeed {
 public:
  static constexpr size_t kMaxGroups = 100;     // of an app
  static constexpr size_t kMaxWatchers = 1000;  // of an app
  static constexpr size_t kMaxEvents = 256;     // of a response

  // Somebody who watches.
  class Watcher {
   public:
    virtual ~Watcher() = default;

    // There may be something new. Called without a lock, on any thread, and perhaps after it has left.
    virtual void Wake() = 0;
  };

  class Member;

  // A place in a feed, given back at its end.
  class Stay {
   public:
    Stay(EventFeed& feed, wire::AppId app, std::shared_ptr<Member> member)
        : feed_(feed), app_(app), member_(std::move(member)) {}
    ~Stay();
    Stay(const Stay&) = delete;
    Stay& operator=(const Stay&) = delete;

    // What comes next; nothing: wait to be woken. FAILED_PRECONDITION: the app keeps no feed any more. One thread at a
    // time.
    StatusOr<std::optional<v1::WatchResponse>> Next();

    // INVALID_ARGUMENT: that was not sent. Of a part that is another member's by now, or of another epoch (empty: the
    // feed's own), it says nothing.
    Status Ack(uint32_t partition, const std::string& epoch, uint64_t offset);

    bool in_group() const;

   private:
    EventFeed& feed_;
    const wire::AppId app_;
    const std::shared_ptr<Member> member_;
  };

  // The engine must outlive it.
  EventFeed() = default;
  ~EventFeed();

  // Before anything else. Groups whose places the engine has kept go on from there.
  void Start(engine::Engine& engine);

  // How far the groups have come, for the engine to keep. Once nobody watches any more.
  std::vector<engine::GroupPlace> Places() const;

  // FAILED_PRECONDITION: the app keeps no feed, or the group has other partitions. INVALID_ARGUMENT: the position lies
  // ahead of the feed. RESOURCE_EXHAUSTED: too many watch.
  StatusOr<std::unique_ptr<Stay>> Join(WatchOrder order, std::weak_ptr<Watcher> watcher);

  // The app's feed has something new. Never blocks for long, and calls nobody.
  void Signal(wire::AppId app);

  // Wakes everybody.
  void WakeAll();

  void Collect(MetricsWriter& writer, const std::function<std::string(wire::AppId)>& name_of) const;

 private:
  using Clock = std::chrono::steady_clock;

  // How far a part has come.
  struct Part {
    wire::Position read;        // and sent
    uint64_t furthest = 0;      // as far as anybody got it
    uint64_t acknowledged = 0;  // what a new member begins after
    Clock::time_point told_at = Clock::now();
    uint64_t told = 0;                  // as far as responses said that it was read
    std::deque<uint64_t> on_their_way;  // offsets that were sent and not acknowledged
    Member* member = nullptr;           // whose it is
  };
  struct Group {
    std::string name;  // empty: of one watcher
    std::vector<Part> parts;
    std::vector<std::shared_ptr<Member>> members;
    Clock::time_point left_at;  // by the last member
  };
  struct App {
    std::map<std::string, std::shared_ptr<Group>> groups;
    std::vector<std::shared_ptr<Member>> members;
  };

  static std::shared_ptr<Group> MakeGroup(std::string name, const std::vector<wire::Position>& begin);
  void Run();
  Status FindGroup(App& app, const WatchOrder& order, std::shared_ptr<Group>* group);
  StatusOr<wire::Position> BeginOf(const WatchOrder& order);
  static void Assign(Group& group);
  static void Give(Part& part, Member* member);
  bool Fill(Member& member, uint32_t partition, v1::WatchResponse* response);
  void Leave(wire::AppId app, const std::shared_ptr<Member>& member);

  engine::Engine* engine_ = nullptr;
  std::array<std::atomic<uint32_t>, wire::kMaxApps> watchers_{};
  std::array<std::atomic<bool>, wire::kMaxApps> signalled_{};

  mutable std::mutex mutex_;
  std::map<wire::AppId, App> apps_;

  std::mutex signal_mutex_;
  std::condition_variable signal_;
  std::vector<wire::AppId> signals_;  // apps that have something new
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace carillon::control
