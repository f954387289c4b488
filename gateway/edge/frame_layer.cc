#include "gateway/edge/frame_layer.h"

#include <sys/socket.h>

#include <array>

namespace carillon::edge {
namespace {

// A turn brings at most 128 messages, and a few answers and pings may come on top.
constexpr size_t kMaxVectors = 160;

}  // namespace

void FrameLayer::Flush() {
  if (!waiting_ && !outbox_.empty()) Write(true);
}

void FrameLayer::Write(bool first_try) {
  std::array<iovec, kMaxVectors> vectors;
  size_t count = outbox_.Gather(vectors);
  ssize_t sent;
  if (count == 1) {
    sent = ::send(socket_.native_handle(), vectors[0].iov_base, vectors[0].iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
  } else {
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    sent = ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  if (sent < 0) {
    if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS && errno != ENOMEM) {
      owner_.OnWriteError();
      return;
    }
    sent = 0;
  }
  if (sent > 0 && !first_try) owner_.OnSignOfLife();
  outbox_.Consume(static_cast<size_t>(sent));
  owner_.OnSent(static_cast<size_t>(sent));
  if (outbox_.empty()) {
    owner_.OnFlushed();
    return;
  }
  WaitWritable();
  owner_.OnBlocked(first_try || sent > 0);
}

void FrameLayer::WaitWritable() {
  waiting_ = true;
  boost::intrusive_ptr<Owner> keep(&owner_);
  socket_.async_wait(Socket::wait_write, [this, keep](const boost::system::error_code& error) {
    waiting_ = false;
    if (error) return;
    owner_.OnWritable();
    if (outbox_.empty()) return owner_.OnFlushed();
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
