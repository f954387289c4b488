#include "gateway/hub/node.h"

#include "gateway/hub/tap.h"

namespace carillon::hub {
namespace {

thread_local Node::WakeAtEnd* t_wake_at_end = nullptr;

}  // namespace

Node::Node(const NodeOptions& options, boost::asio::io_context& timers) : timers_(timers) {
  CARILLON_CHECK(options.shards >= 1 && options.shards <= kMaxShards);
  for (ShardIndex index = 0; index < options.shards; ++index) {
    shards_.push_back(std::make_unique<Shard>(index, options.mailbox_messages, options.mailbox_bytes));
  }
}

void Node::Start(engine::Engine& engine) {
  engine_ = &engine;
  for (auto& shard : shards_) shard->Start(engine);
}

void Node::Stop() {
  for (auto& shard : shards_) shard->Stop();
}

void Node::After(std::chrono::milliseconds delay, absl::AnyInvocable<void()> callback) {
  auto timer = std::make_shared<boost::asio::steady_timer>(timers_, delay);
  timer->async_wait([timer, callback = std::move(callback)](const boost::system::error_code&) mutable { callback(); });
}

ShardSet Node::ShardsFor(const wire::Topic& topic) const {
  if (topic.kind != wire::TopicKind::kSession) return all_shards();
  auto id = SessionId::Parse(topic.name);
  return id.has_value() ? ShardBit(id->shard) & all_shards() : 0;
}

size_t Node::Sessions() const {
  size_t open = 0;
  for (const auto& shard : shards_) open += shard->stats().sessions.value();
  return open;
}

void Node::Tell(ShardSet shards, const std::function<void(Shard&)>& task) {
  ForEach(shards, [&](Shard& shard) {
    if (shard.mailbox().Push(Task(task))) shard.Wake();
  });
}

bool Node::HasRoom(ShardSet shards, const wire::Frame& frame) const {
  bool room = true;
  ForEach(shards, [&](const Shard& shard) { room = room && shard.mailbox().HasRoom(frame); });
  return room;
}

ShardSet Node::Deliver(ShardSet shards, const engine::Delivery& delivery) {
  ShardSet wake = 0;
  ForEach(shards, [&](Shard& shard) {
    if (shard.mailbox().Push(delivery)) wake |= ShardBit(shard.index());
  });
  return wake;
}

Node::WakeAtEnd::WakeAtEnd(Node& node) : node_(node) {
  if (t_wake_at_end == nullptr) t_wake_at_end = this;
}

Node::WakeAtEnd::~WakeAtEnd() {
  if (t_wake_at_end != this) return;
  t_wake_at_end = nullptr;
  node_.Wake(shards_);
}

void Node::Wake(ShardSet shards) {
  if (t_wake_at_end != nullptr && &t_wake_at_end->node_ == this) {
    t_wake_at_end->shards_ |= shards;
    return;
  }
  ForEach(shards, [](Shard& shard) { shard.Wake(); });
}

// A stream's is on one shard, always the same, so that its load is spread a little; it may have no listener.
ShardSet Node::ShardsFor(const Tap& tap) const {
  if (tap.topic().kind != wire::TopicKind::kStream) return ShardsFor(tap.topic());
  return ShardBit(static_cast<ShardIndex>(wire::HashOf(tap.topic()) % shards_.size()));
}

void Node::Attach(const std::shared_ptr<Tap>& tap, absl::AnyInvocable<void(size_t, bool)> done) {
  ShardSet shards = ShardsFor(*tap);
  if (tap->topic().kind == wire::TopicKind::kStream) {
    interests_.Tap(tap->topic(), static_cast<ShardIndex>(__builtin_ctzll(shards)));
  }
  Ask(
      shards, [tap](Shard& shard) { return hub::Attach(shard, tap); },
      [done = std::move(done)](const Gather<size_t>::Result& result) mutable {
        size_t sessions = 0;
        for (size_t count : result.answers) sessions += count;
        done(sessions, result.partial);
      });
}

void Node::Detach(const std::shared_ptr<Tap>& tap) {
  ShardSet shards = ShardsFor(*tap);
  if (tap->topic().kind == wire::TopicKind::kStream) {
    interests_.Untap(tap->topic(), static_cast<ShardIndex>(__builtin_ctzll(shards)));
  }
  Tell(shards, [tap](Shard& shard) { hub::Detach(shard, *tap); });
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
  constexpr std::string_view kLost[] = {"filtered", "excluded", "expired", "conflated", "dropped"};
  static_assert(std::size(kLost) == wire::kSkipReasons);
  for (auto reason : {wire::SkipReason::kExpired, wire::SkipReason::kConflated, wire::SkipReason::kDropped}) {
    auto row = static_cast<size_t>(reason);
    uint64_t total = 0;
    for (const auto& shard : shards_) total += shard->stats().lost[row].value();
    writer.Counter("carillon_messages_lost_total",
                   "Messages that sessions did not get because they read too slowly, by what became of them.", total,
                   {{"reason", kLost[row]}});
  }
  constexpr std::string_view kRecoveries[] = {"", "ok", "epoch_changed", "trimmed", "too_far", "disabled"};
  for (size_t row = 1; row < std::size(kRecoveries); ++row) {
    uint64_t total = 0;
    for (const auto& shard : shards_) total += shard->stats().recoveries[row].value();
    writer.Counter("carillon_recoveries_total", "Subscriptions that asked for what they had missed, by what they got.",
                   total, {{"result", kRecoveries[row]}});
  }
  writer.Counter("carillon_recoveries_total", "Subscriptions that asked for what they had missed, by what they got.",
                 sum(&ShardStats::revoked), {{"result", "revoked"}});
  writer.Counter("carillon_replayed_total", "Messages of logs that were queued for sessions.",
                 sum(&ShardStats::replayed));
  writer.Counter("carillon_commands_total", "Messages from clients.", sum(&ShardStats::commands));
  writer.Counter("carillon_client_events_total", "Events that clients published for backends.",
                 sum(&ShardStats::client_events));
  writer.Counter("carillon_client_messages_total", "Messages that clients published.", sum(&ShardStats::published));
  writer.Counter("carillon_bad_messages_total", "Messages from clients that made no sense.",
                 sum(&ShardStats::bad_messages));
  writer.Counter("carillon_rate_limited_total", "Messages from clients that were dropped because they came too fast.",
                 sum(&ShardStats::rate_limited));
  for (const auto& shard : shards_) {
    writer.Gauge("carillon_mailbox_messages", "Messages that wait for a shard.",
                 static_cast<double>(shard->mailbox().messages()), {{"shard", std::to_string(shard->index())}});
  }
}

}  // namespace carillon::hub
