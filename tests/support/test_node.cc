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

TestNode::TestNode(ShardIndex shards, hub::NodeOptions options) : node_(WithShards(options, shards), timers_) {
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
  for (ShardIndex index = 0; index < node_.shards(); ++index) {
    // The task runs in the turn that delivers what came before it, or in a later one; what is posted then runs after
    // that turn's flush.
    std::promise<void> delivered;
    std::future<void> future = delivered.get_future();
    node_.Tell(ShardBit(index), [&delivered](hub::Shard&) { delivered.set_value(); });
    Wait(future);
    On(index, [](hub::Shard&) {});
  }
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

wire::FramePtr MakeFrame(const std::string& event, const std::string& stream, size_t payload_bytes) {
  v1::Envelope envelope;
  envelope.set_event(event);
  envelope.set_stream(stream);
  if (payload_bytes > 0) envelope.set_json('"' + std::string(payload_bytes, 'x') + '"');
  return wire::FramePtr(new wire::Frame(std::move(envelope)));
}

}  // namespace carillon::test
