#include "gateway/hub/packet_maker.h"

#include <algorithm>

namespace carillon::hub {

PacketPtr PacketMaker::Make(const engine::Delivery& delivery, const dialect::Dialect& dialect) {
  const wire::FramePtr& frame = delivery.frame;
  std::string_view bytes = frame->Encoded(dialect.encoding(), dialect.encode());
  Line& line = lines_[static_cast<size_t>(dialect.encoding())];
  PacketRunPtr run;
  if (wire::TopicView(line.topic) != wire::TopicView(delivery.topic)) {
    line = {delivery.topic, nullptr, nullptr};
  } else if (bytes.size() <= kMaxCopiedBytes) {
    if (line.run == nullptr) {
      line.run = PacketRunPtr(new PacketRun(kFirstMessages * bytes.size()));
    } else if (!line.run->HasRoom(bytes.size())) {
      size_t larger = std::min(2 * line.run->capacity(), kMaxRunBytes);
      line.run = PacketRunPtr(new PacketRun(std::max(larger, bytes.size())));
    }
    run = line.run;
    bytes = run->Append(bytes);
  }
  engine::SlowPolicy slow = delivery.rule == nullptr ? engine::SlowPolicy::kDisconnect : delivery.rule->slow;
  if (slow != engine::SlowPolicy::kDisconnect || frame->perishable()) {
    // The rules may have been exchanged since the last one.
    if (line.tag == nullptr || line.tag->slow != slow) line.tag = PacketTagPtr(new PacketTag(delivery.topic, slow));
    return PacketPtr(new Packet(line.tag, frame, std::move(run), bytes));
  }
  return PacketPtr(run == nullptr ? new Packet(frame, bytes) : new Packet(std::move(run), bytes));
}

}  // namespace carillon::hub
