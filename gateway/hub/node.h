#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <type_traits>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "gateway/base/gather.h"
#include "gateway/base/metrics.h"
#include "gateway/engine/engine.h"
#include "gateway/hub/interest_map.h"
#include "gateway/hub/shard.h"

namespace carillon::hub {

struct NodeOptions {
  ShardIndex shards = 1;
  size_t mailbox_messages = 4096;
  size_t mailbox_bytes = 16 << 20;
};

// The running node: its shards, the door through which every message enters, and the two verbs of everything else:
// tell (do this) and ask (answer me).
// Owned by: server::Application, which outlives its threads. Thread: any, unless said otherwise.
class Node : public engine::Door {
 public:
  // How long an ask waits for shards; one that takes longer is stuck, not busy.
  static constexpr std::chrono::milliseconds kAskDeadline{2000};

  // `timers` runs the deadlines of asks, on a thread that is no shard's, and outlives the node.
  Node(const NodeOptions& options, boost::asio::io_context& timers);

  void Start(engine::Engine& engine);  // by the owner, once
  void Stop();                         // by the owner; the shards' threads are gone after it

  ShardIndex shards() const { return static_cast<ShardIndex>(shards_.size()); }
  Shard& shard(ShardIndex index) { return *shards_[index]; }
  ShardSet all_shards() const {
    return shards_.size() == kMaxShards ? ~ShardSet{0} : ShardBit(static_cast<ShardIndex>(shards_.size())) - 1;
  }

  // Those that a question about the topic must reach: a session's own, otherwise all (asking those that have no
  // listener costs little and cannot miss one that is just joining).
  ShardSet ShardsFor(const wire::Topic& topic) const;

  // How many there are now; good to a few that are just coming or going.
  size_t Sessions() const;
  // Streams of an app with subscribers.
  size_t StreamsOf(wire::AppId app) const { return interests_.StreamsOf(app); }

  // See InterestMap::ListStreams.
  std::vector<std::pair<std::string, uint32_t>> ListStreams(wire::AppId app, std::string_view after, uint32_t least,
                                                            size_t limit,
                                                            const std::function<bool(std::string_view)>& takes) const {
    return interests_.ListStreams(app, after, least, limit, takes);
  }

  // A tap sees what goes by from here on; `done(sessions, partial)` says how many it is about, on a shard's or the
  // timers' thread. Then it must be detached.
  void Attach(const std::shared_ptr<Tap>& tap, absl::AnyInvocable<void(size_t sessions, bool partial)> done);
  void Detach(const std::shared_ptr<Tap>& tap);

  engine::Engine& engine() { return *engine_; }

  // Who is told that an app's feed has something new; see engine::Door::Announce. Before Start.
  void SetEventsHandler(std::function<void(wire::AppId)> handler) { on_events_ = std::move(handler); }

  // See engine::Engine::Publish.
  StatusOr<engine::Published> Publish(engine::Publication& publication) { return engine_->Publish(publication); }
  StatusOr<engine::Published> Publish(const wire::TopicView& topic, wire::FramePtr frame) {
    return engine_->Publish(topic, std::move(frame));
  }

  // While one lives, what its thread publishes wakes no shard; at its end each is woken that would have been. For
  // messages that came together, so that they also go out together. Never wait for a shard meanwhile.
  // Within another of the thread's, it leaves the waking to that.
  class WakeAtEnd {
   public:
    explicit WakeAtEnd(Node& node);
    ~WakeAtEnd();
    WakeAtEnd(const WakeAtEnd&) = delete;
    WakeAtEnd& operator=(const WakeAtEnd&) = delete;

   private:
    friend class Node;
    Node& node_;
    ShardSet shards_ = 0;
  };

  // Calls back once, on the timers' thread, which it must not block.
  void After(std::chrono::milliseconds delay, absl::AnyInvocable<void()> callback);

  // Runs `task` on each of the shards, in order with what is published.
  void Tell(ShardSet shards, const std::function<void(Shard&)>& task);

  // Runs `question` on each of the shards and calls back with the answers of those that answered in time. The callback
  // runs on a shard's or the timers' thread and must not block.
  template <class Question, class Answer = std::invoke_result_t<Question, Shard&>>
  void Ask(ShardSet shards, Question question, typename Gather<Answer>::Callback callback) {
    auto gather =
        std::make_shared<Gather<Answer>>(static_cast<size_t>(__builtin_popcountll(shards)), std::move(callback));
    if (shards == 0) return gather->GiveUp();
    After(kAskDeadline, [gather] { gather->GiveUp(); });
    Tell(shards, [gather, question](Shard& shard) {
      Answer answer = question(shard);
      shard.SettleRetired();  // whoever asks next does not find whom this question has closed
      gather->Add(std::move(answer));
    });
  }

  void Collect(MetricsWriter& writer) const;

  // engine::Door
  engine::Audience Find(const wire::TopicView& topic) const override { return interests_.Find(topic); }
  bool HasRoom(ShardSet shards, const wire::Frame& frame) const override;
  ShardSet Deliver(ShardSet shards, const engine::Delivery& delivery) override;
  const engine::Interest* Join(const wire::TopicView& topic, ShardIndex shard) override {
    return interests_.Join(topic, shard);
  }
  void Leave(const wire::TopicView& topic, ShardIndex shard, bool last_of_shard) override {
    interests_.Leave(topic, shard, last_of_shard);
  }
  void Wake(ShardSet shards) override;
  void Announce(wire::AppId app) override {
    if (on_events_) on_events_(app);
  }

 private:
  template <class Visit>
  void ForEach(ShardSet shards, Visit&& visit) const {
    for (; shards != 0; shards &= shards - 1) visit(*shards_[static_cast<size_t>(__builtin_ctzll(shards))]);
  }

  ShardSet ShardsFor(const Tap& tap) const;

  boost::asio::io_context& timers_;
  engine::Engine* engine_ = nullptr;
  std::function<void(wire::AppId)> on_events_;
  InterestMap interests_;

  // Last: their threads use what stands above.
  std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace carillon::hub
