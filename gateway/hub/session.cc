#include "gateway/hub/session.h"

#include <algorithm>

#include "gateway/hub/shard.h"

namespace carillon::hub {

Session::Session(Shard& shard, const SessionSettings& settings, Transport& transport, SessionId id,
                 auth::IdentityPtr identity)
    : shard_(shard),
      settings_(settings),
      transport_(transport),
      id_(id),
      identity_(std::move(identity)),
      connected_at_(std::chrono::system_clock::now()) {}

bool Session::TooFarBehind(size_t arriving) {
  if (outbox_.empty()) {
    over_since_ = {};
    return false;
  }
  if (outbox_.bytes() + arriving > settings_.outbox_bytes) return true;
  if (outbox_.messages() < settings_.outbox_messages) {
    over_since_ = {};
    return false;
  }
  if (over_since_ == Clock::time_point()) over_since_ = shard_.now();
  return shard_.now() - over_since_ >= settings_.outbox_patience;
}

// Some of what waits may wait for this turn's flush only, which is not the reader's fault.
bool Session::FlushHelps(size_t arriving) {
  if (!dirty_) return false;
  transport_.Flush();
  return !closing_ && !TooFarBehind(arriving);
}

bool Session::Queue(const PacketPtr& packet) {
  if (closing_) return false;
  if (TooFarBehind(packet->bytes().size()) && !FlushHelps(packet->bytes().size())) {
    if (closing_) return false;
    shard_.stats().slow_consumers.Add();
    outbox_.DropUnsent();
    Close(wire::CloseCode::kSlowConsumer, wire::InfoOf(wire::CloseCode::kSlowConsumer).reason);
    return false;
  }
  outbox_.Push(packet);
  return true;
}

void Session::Offer(const PacketPtr& packet) {
  if (Queue(packet)) MarkDirty();
}

void Session::Offer(std::span<const PacketPtr> packets, size_t bytes) {
  if (closing_) return;
  // Where all of them fit, none needs to be judged.
  if (outbox_.bytes() + bytes <= settings_.outbox_bytes &&
      outbox_.messages() + packets.size() < settings_.outbox_messages) {
    over_since_ = {};
    outbox_.Push(packets, bytes);
    return MarkDirty();
  }
  for (const PacketPtr& packet : packets) Offer(packet);
}

void Session::MarkDirty() {
  if (dirty_) return;
  dirty_ = true;
  shard_.dirty_.push_back(this);
}

void Session::Send(std::string bytes) {
  if (!bytes.empty() && Queue(MakePacket(std::move(bytes)))) transport_.Flush();
}

void Session::Reply(const dialect::Reply& reply) {
  std::string bytes;
  settings_.dialect->AppendReply(bytes, reply);
  Send(std::move(bytes));
}

void Session::Close(wire::CloseCode code, std::string_view reason, wire::CloseCode cause) {
  if (closing_) return;
  BeginClosing();
  transport_.Close(code, reason, cause);
}

void Session::BeginClosing() {
  if (closing_) return;
  closing_ = true;
  shard_.Retire(*this);
}

bool Session::Listens(const LocalTopic* stream) const {
  return std::any_of(subscriptions_.begin(), subscriptions_.end(),
                     [stream](const Subscription& subscription) { return subscription.topic == stream; });
}

}  // namespace carillon::hub
