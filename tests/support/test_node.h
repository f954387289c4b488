#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <future>
#include <thread>
#include <type_traits>

#include "gateway/engine/memory_engine.h"
#include "gateway/hub/node.h"

namespace carillon::test {

// How long a test waits for what must happen. Never waited for in a test that passes.
inline constexpr std::chrono::seconds kPatience{30};

// A running node with the memory engine. Its shards have their threads; a test looks at them through On and Settle.
class TestNode {
 public:
  explicit TestNode(ShardIndex shards = 1, hub::NodeOptions options = {}, engine::MemoryEngineOptions engine = {});
  ~TestNode();

  hub::Node& node() { return node_; }
  boost::asio::io_context& timers() { return timers_; }

  // Ends the threads; what is posted later does not run.
  void Stop();

  // Calls `visit(shard)` on the shard's thread and returns what it returns.
  template <class Visit, class Result = std::invoke_result_t<Visit, hub::Shard&>>
  Result On(ShardIndex index, Visit visit) {
    std::packaged_task<Result()> task([this, index, &visit] { return visit(node_.shard(index)); });
    std::future<Result> result = task.get_future();
    boost::asio::post(node_.shard(index).io(), [&task] { task(); });
    return Wait(result);
  }

  // Returns when every shard, or this one, has delivered and flushed what was published before.
  void Settle();
  void Settle(ShardIndex index);

  // Holds the shard's thread until Release or destruction, so that what is published meanwhile comes in one batch.
  class Hold {
   public:
    Hold(TestNode& node, ShardIndex index);
    ~Hold() { Release(); }
    void Release();

   private:
    std::promise<void> release_;
    bool released_ = false;
  };

 private:
  template <class Result>
  Result Wait(std::future<Result>& result) {
    if (result.wait_for(kPatience) != std::future_status::ready) Stuck();
    return result.get();
  }
  [[noreturn]] static void Stuck();

  boost::asio::io_context timers_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{timers_.get_executor()};
  hub::Node node_;
  engine::MemoryEngine engine_;
  std::thread timers_thread_;
};

// A frame of an envelope with this event, on this stream.
wire::FramePtr MakeFrame(const std::string& event, const std::string& stream = "chat", size_t payload_bytes = 0,
                         std::shared_ptr<const wire::Terms> terms = nullptr);

// An engine whose streams are all treated like this.
engine::MemoryEngineOptions WithRule(const engine::TopicRule& rule);

inline wire::TopicView StreamTopic(std::string_view name) {
  return {wire::kDefaultApp, wire::TopicKind::kStream, name};
}
inline wire::TopicView UserTopic(std::string_view name) {
  return {wire::kDefaultApp, wire::TopicKind::kUser, name};
}
inline wire::TopicView Everyone() {
  return {wire::kDefaultApp, wire::TopicKind::kEveryone, ""};
}

}  // namespace carillon::test
