#include "tests/support/test_node.h"

#include <cstdio>
#include <cstdlib>

namespace carillon::test {
namespace {

hub::NodeOptions WithShards(hub::NodeOptions options, ShardIndex shards) {
  options.shards = shards;
  return options;
}

}  // namespace

TestNode::TestNode(ShardIndex shards, hub::NodeOptions options, engine::MemoryEngineOptions engine)
    : node_(WithShards(options, shards), timers_), engine_(node_, std::move(engine)) {
  node_.Start(engine_);
  timers_thread_ = std::thread([this] { timers_.run(); });
}

TestNode::~TestNode() {
  Stop();
}

void TestNode::Stop() {
  node_.Stop();
  timers_.stop();
  if (timers_thread_.joinable()) timers_thread_.join();
}

void TestNode::Settle() {
  for (ShardIndex index = 0; index < node_.shards(); ++index) Settle(index);
}

void TestNode::Settle(ShardIndex index) {
  // The task runs in the turn that delivers what came before it, or in a later one; what is posted then runs after
  // that turn's flush.
  std::promise<void> delivered;
  std::future<void> future = delivered.get_future();
  node_.Tell(ShardBit(index), [&delivered](hub::Shard&) { delivered.set_value(); });
  Wait(future);
  On(index, [](hub::Shard&) {});
}

void TestNode::Stuck() {
  std::fprintf(stderr, "a shard did not answer\n");
  std::abort();
}

TestNode::Hold::Hold(TestNode& node, ShardIndex index) {
  std::promise<void> held;
  std::future<void> future = held.get_future();
  auto release = std::make_shared<std::future<void>>(release_.get_future());
  boost::asio::post(node.node().shard(index).io(), [&held, release] {
    held.set_value();
    release->wait();
  });
  node.Wait(future);
}

void TestNode::Hold::Release() {
  if (!std::exchange(released_, true)) release_.set_value();
}

engine::MemoryEngineOptions WithRule(const engine::TopicRule& rule) {
  engine::MemoryEngineOptions options;
  options.rules = engine::StreamRules({{"*", rule}}, rule.log);
  return options;
}

wire::FramePtr MakeFrame(const std::string& event, const std::string& stream, size_t payload_bytes,
                         std::shared_ptr<const wire::Terms> terms) {
  v1::Envelope envelope;
  auto now = std::chrono::duration_cast<std::chrono::milliseconds>(wire::WallClock::now().time_since_epoch()).count();
  envelope.mutable_time()->set_seconds(now / 1000);
  envelope.mutable_time()->set_nanos(static_cast<int32_t>(now % 1000 * 1'000'000));
  envelope.set_event(event);
  envelope.set_stream(stream);
  if (payload_bytes > 0) envelope.set_json('"' + std::string(payload_bytes, 'x') + '"');
  return wire::FramePtr(new wire::Frame(std::move(envelope), std::move(terms)));
}

}  // namespace carillon::test
