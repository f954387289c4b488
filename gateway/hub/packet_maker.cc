#include "gateway/hub/packet_maker.h"

#include <algorithm>

namespace carillon::hub {

PacketPtr PacketMaker::Make(const engine::Delivery& delivery, const dialect::Dialect& dialect) {
  const wire::FramePtr& frame = delivery.frame;
  std::string_view bytes = frame->Encoded(dialect.encoding(), dialect.encode());
  Line& line = lines_[static_cast<size_t>(dialect.encoding())];
  if (wire::TopicView(line.topic) != wire::TopicView(delivery.topic)) {
    line = {delivery.topic, nullptr};
    return PacketPtr(new Packet(frame, bytes));
  }
  if (bytes.size() > kMaxCopiedBytes) return PacketPtr(new Packet(frame, bytes));
  if (line.run == nullptr) {
    line.run = PacketRunPtr(new PacketRun(kFirstMessages * bytes.size()));
  } else if (!line.run->HasRoom(bytes.size())) {
    size_t larger = std::min(2 * line.run->capacity(), kMaxRunBytes);
    line.run = PacketRunPtr(new PacketRun(std::max(larger, bytes.size())));
  }
  std::string_view copy = line.run->Append(bytes);
  return PacketPtr(new Packet(line.run, copy));
}

}  // namespace carillon::hub
