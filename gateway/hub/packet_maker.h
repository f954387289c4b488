#pragma once

#include <array>

#include "gateway/dialect/dialect.h"
#include "gateway/engine/engine.h"
#include "gateway/hub/packet.h"

namespace carillon::hub {

// Makes a shard's packets of what is delivered to it. Small messages of one topic that follow each other are copied end
// to end, once a shard, so that a session's queue of them is one piece of memory: the kernel copies one long piece
// several times faster than many short ones, and there are as many such copies as sessions. Thread: the shard's.
class PacketMaker {
 public:
  PacketPtr Make(const engine::Delivery& delivery, const dialect::Dialect& dialect);

 private:
  // Longer messages gain nothing by it.
  static constexpr size_t kMaxCopiedBytes = 1024;
  // A run begins with room for a few messages, and each next one is twice as large up to this: a session that is behind
  // keeps whole runs alive, which must not be much more than what waits for it.
  static constexpr size_t kFirstMessages = 4;
  static constexpr size_t kMaxRunBytes = 32 << 10;

  struct Line {
    wire::Topic topic;  // of the newest message
    PacketRunPtr run;   // begun when a second one of the same topic comes
    PacketTagPtr tag;   // made for the first one that may go before it is written
  };
  std::array<Line, wire::kEncodings> lines_;
};

}  // namespace carillon::hub
