#include "gateway/hub/node.h"

#include <boost/asio/post.hpp>

namespace carillon::hub {

Node::Node(const NodeOptions& options, boost::asio::io_context& timers) : timers_(timers) {
  CARILLON_CHECK(options.shards >= 1 && options.shards <= kMaxShards);
  for (ShardIndex index = 0; index < options.shards; ++index) {
    shards_.push_back(std::make_unique<Shard>(index, options.mailbox_messages, options.mailbox_bytes, [this] {
      // Only when every shard has room again: whoever waits does not know which one was full.
      bool room = has_waiters_.load(std::memory_order_relaxed);
      for (const auto& shard : shards_) room = room && shard->mailbox().HalfEmpty();
      if (room) LetWaitersGo();
    }));
  }
}

void Node::Start(engine::Engine& engine) {
  engine_ = &engine;
  for (auto& shard : shards_) shard->Start(engine);
}

void Node::Stop() {
  for (auto& shard : shards_) shard->Stop();
}

void Node::WhenRoom(absl::AnyInvocable<void()> callback) {
  {
    std::lock_guard lock(waiters_mutex_);
    waiters_.push_back(std::move(callback));
    has_waiters_.store(true, std::memory_order_relaxed);
  }
  // The mailbox may have run empty before this: make every shard look once.
  Tell(all_shards(), [](Shard&) {});
}

void Node::LetWaitersGo() {
  std::vector<absl::AnyInvocable<void()>> waiters;
  {
    std::lock_guard lock(waiters_mutex_);
    waiters.swap(waiters_);
    has_waiters_.store(false, std::memory_order_relaxed);
  }
  for (auto& waiter : waiters) boost::asio::post(timers_, std::move(waiter));
}

void Node::Tell(ShardSet shards, const std::function<void(Shard&)>& task) {
  ForEach(shards, [&](Shard& shard) {
    if (shard.mailbox().Push(Task(task))) shard.Wake();
  });
}

void Node::AtDeadline(std::function<void()> give_up) {
  auto timer = std::make_shared<boost::asio::steady_timer>(timers_, kAskDeadline);
  timer->async_wait([timer, give_up = std::move(give_up)](const boost::system::error_code&) { give_up(); });
}

bool Node::HasRoom(ShardSet shards, size_t bytes) const {
  bool room = true;
  ForEach(shards, [&](const Shard& shard) { room = room && shard.mailbox().HasRoom(bytes); });
  return room;
}

ShardSet Node::Deliver(ShardSet shards, const engine::Delivery& delivery) {
  ShardSet wake = 0;
  ForEach(shards, [&](Shard& shard) {
    if (shard.mailbox().Push(delivery)) wake |= ShardBit(shard.index());
  });
  return wake;
}

void Node::Wake(ShardSet shards) {
  ForEach(shards, [](Shard& shard) { shard.Wake(); });
}

void Node::Collect(MetricsWriter& writer) const {
  auto sum = [&](OwnCounter ShardStats::*counter) {
    uint64_t total = 0;
    for (const auto& shard : shards_) total += (shard->stats().*counter).value();
    return total;
  };
  writer.Gauge("carillon_connections", "Sessions open now.", static_cast<double>(sum(&ShardStats::sessions)),
               {{"transport", "websocket"}});
  writer.Counter("carillon_connections_opened_total", "Sessions that began.", sum(&ShardStats::opened),
                 {{"transport", "websocket"}});
  auto table = wire::CloseTable();
  for (size_t row = 0; row < table.size(); ++row) {
    uint64_t total = 0;
    for (const auto& shard : shards_) total += shard->stats().closed[row].value();
    std::string code = std::to_string(static_cast<int>(table[row].code));
    writer.Counter("carillon_connections_closed_total", "Sessions that ended, by close code.", total,
                   {{"transport", "websocket"}, {"code", code}, {"reason", table[row].name}});
  }
  writer.Gauge("carillon_streams", "Streams with subscribers.",
               static_cast<double>(interests_.Count(wire::TopicKind::kStream)));
  writer.Gauge("carillon_users", "Users with sessions.", static_cast<double>(interests_.Count(wire::TopicKind::kUser)));
  writer.Counter("carillon_shard_messages_total", "Messages that shards took from their mailboxes.",
                 sum(&ShardStats::messages));
  writer.Counter("carillon_deliveries_total", "Frames queued for sessions.", sum(&ShardStats::queued));
  writer.Counter("carillon_sends_total", "Calls of send and sendmsg.", sum(&ShardStats::sends));
  writer.Counter("carillon_sent_bytes_total", "Bytes handed to the kernel.", sum(&ShardStats::sent_bytes));
  writer.Counter("carillon_slow_consumers_total", "Sessions that were too far behind.",
                 sum(&ShardStats::slow_consumers), {{"action", "disconnect"}});
  writer.Counter("carillon_commands_total", "Messages from clients.", sum(&ShardStats::commands));
  writer.Counter("carillon_bad_messages_total", "Messages from clients that made no sense.",
                 sum(&ShardStats::bad_messages));
  for (const auto& shard : shards_) {
    writer.Gauge("carillon_mailbox_messages", "Messages that wait for a shard.",
                 static_cast<double>(shard->mailbox().messages()), {{"shard", std::to_string(shard->index())}});
  }
}

}  // namespace carillon::hub
