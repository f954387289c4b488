#include "gateway/edge/frame_layer.h"

namespace carillon::edge {
void FrameLayer::Flush() {
  if (!waiting_ && !empty()) Write(true);
}

void FrameLayer::Write(bool first_try) {
  Link::Sent sent = link_.Send(outbox_);
  if (sent.failed) return owner_.OnWriteError();
  if (sent.bytes > 0 && !first_try) owner_.OnSignOfLife();
  owner_.OnSent(sent.bytes);
  if (empty()) return owner_.OnFlushed();
  WaitWritable();
  owner_.OnBlocked(first_try || sent.bytes > 0);
}

void FrameLayer::WaitWritable() {
  waiting_ = true;
  boost::intrusive_ptr<Owner> keep(&owner_);
  socket().async_wait(Socket::wait_write, [this, keep](const boost::system::error_code& error) {
    waiting_ = false;
    if (error) return;
    owner_.OnWritable();
    if (empty()) return owner_.OnFlushed();
    Write(false);
  });
}

void FrameLayer::TakeWrite(std::string bytes) {
  auto kind = hub::Packet::Kind::kProtocol;
  if (!framing_) {
    outbox_.Push(hub::MakePacket(std::move(bytes), kind));
    Flush();
    return;
  }
  if (bytes.empty() || outbox_.sealed()) return;  // after our own goodbye there is nothing to add
  switch (wire::OpcodeOf(static_cast<uint8_t>(bytes[0]))) {
    case wire::Opcode::kPong:
      outbox_.PushPong(hub::MakePacket(std::move(bytes), hub::Packet::Kind::kPong));
      break;
    case wire::Opcode::kClose: {
      auto byte = [&](size_t i) { return i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : 0; };
      auto code = static_cast<uint16_t>(bytes.size() >= 4 ? byte(2) << 8 | byte(3) : 1005);
      outbox_.Push(hub::MakePacket(std::move(bytes), kind));
      outbox_.Seal();
      owner_.OnBeastClose(code);
      break;
    }
    default:
      outbox_.Push(hub::MakePacket(std::move(bytes), kind));
  }
  Flush();
}

bool FrameLayer::Meter(const void* data, size_t size) {
  owner_.OnSignOfLife();
  auto verdict = meter_.Feed({static_cast<const uint8_t*>(data), size}, std::chrono::steady_clock::now());
  if (verdict.has_value()) owner_.OnViolation(*verdict);
  return !verdict.has_value();
}

void beast_close_socket(FrameLayer& layer) {
  boost::system::error_code ignored;
  layer.socket().close(ignored);
}

}  // namespace carillon::edge
