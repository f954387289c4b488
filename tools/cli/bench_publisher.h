#pragma once

#include <memory>
#include <string>

#include "gateway/base/status.h"

// The speaking side of the benchmark.
namespace carillon::cli {

class BenchPublisher {
 public:
  virtual ~BenchPublisher() = default;

  // Publishes messages `first` to `first + count - 1`, due at `due_ns`. Blocks while the other side is behind.
  virtual Status Publish(uint64_t first, uint64_t count, int64_t due_ns) = 0;
};

// Over gRPC, by PublishStream, in batches of up to 64.
std::unique_ptr<BenchPublisher> PublishToGateway(const std::string& control, const std::string& key,
                                                 const std::string& stream, size_t payload_bytes);

// Over TCP to a bare loop (tests/bench/floor.cc): exactly the frames that Carillon would send.
StatusOr<std::unique_ptr<BenchPublisher>> PublishToFloor(const std::string& address, const std::string& stream,
                                                         size_t payload_bytes);

}  // namespace carillon::cli
