#include "gateway/hub/packet_maker.h"

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
  if (line.run == nullptr || !line.run->HasRoom(bytes.size())) line.run = PacketRunPtr(new PacketRun(kRunBytes));
  std::string_view copy = line.run->Append(bytes);
  return PacketPtr(new Packet(line.run, copy));
}

}  // namespace carillon::hub
