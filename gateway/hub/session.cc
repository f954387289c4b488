#include "gateway/hub/session.h"

#include <algorithm>

#include "gateway/hub/catching.h"
#include "gateway/hub/shard.h"
#include "gateway/hub/thinning.h"

namespace carillon::hub {

Session::Session(Shard& shard, const SessionSettings& settings, Transport& transport, SessionId id,
                 auth::IdentityPtr identity)
    : shard_(shard),
      settings_(settings),
      transport_(transport),
      id_(id),
      identity_(std::move(identity)),
      connected_at_(std::chrono::system_clock::now()) {}

// Messages that count: not what is beyond the bounds, and not what the queue has one of for each key only.
size_t Session::firm_messages() const {
  return outbox_.messages() - outbox_.beyond_messages() - outbox_.conflatable();
}

// The first packet may be among them, and half written.
size_t Session::firm_bytes() const {
  return outbox_.bytes() - std::min(outbox_.bytes(), outbox_.beyond_bytes());
}

bool Session::OverBytes(size_t arriving) const {
  return firm_bytes() > 0 && firm_bytes() + arriving > settings_.outbox_bytes;
}

bool Session::TooFarBehind(size_t arriving) {
  if (outbox_.empty()) {
    over_since_ = {};
    return false;
  }
  if (OverBytes(arriving)) return true;
  if (outbox_.messages() - outbox_.beyond_messages() < settings_.outbox_messages) {
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

// What may go gives way: of the arriving message's stream first, then of others. False where that is not enough.
bool Session::MakeRoom(const Packet& arriving) {
  auto make = [this](const wire::Skip& skip) { return SkipBytes(skip); };
  size_t size = arriving.bytes().size();
  auto over = [&] { return OverBytes(size) || firm_messages() >= settings_.outbox_messages; };
  if (outbox_.conflatable() >= conflate_at_) {
    Lost(Conflate(outbox_, make));
    // Looking through a queue costs its length: the next time is when it has grown by a part of that.
    conflate_at_ = outbox_.conflatable() + std::max<size_t>(64, outbox_.conflatable() / 4);
  }
  if (!over()) return true;
  // An eighth of the bounds more than must be, for the same reason.
  size_t bytes = 0;
  size_t messages = 0;
  if (OverBytes(size)) bytes = firm_bytes() + size - settings_.outbox_bytes + settings_.outbox_bytes / 8;
  if (firm_messages() >= settings_.outbox_messages) {
    messages = firm_messages() + 1 - settings_.outbox_messages + settings_.outbox_messages / 8;
  }
  wire::TopicView none;
  const wire::TopicView topic = arriving.droppable() ? wire::TopicView(arriving.tag()->topic) : none;
  Lost(DropOldest(outbox_, topic, false, messages, bytes, make));
  if (!over()) return true;
  Lost(DropOldest(outbox_, topic, true, messages, bytes, make));
  return !over();
}

// False where the packet must not be queued: the session is closed, or is now, or does without it.
bool Session::MayQueue(const Packet& packet) {
  if (closing_) return false;
  size_t size = packet.bytes().size();
  if (!TooFarBehind(size) || FlushHelps(size)) return true;
  if (closing_) return false;
  if (packet.droppable() && packet.tag()->slow == engine::SlowPolicy::kDropNewest) {
    wire::SkipCounts one;
    one.Add(wire::SkipReason::kDropped);
    Lost(one);
    Catching(*this).Owe(packet, wire::SkipReason::kDropped);
    return false;
  }
  if (MakeRoom(packet)) return true;
  shard_.stats().slow_consumers.Add();
  outbox_.DropUnsent();
  Close(wire::CloseCode::kSlowConsumer, wire::InfoOf(wire::CloseCode::kSlowConsumer).reason);
  return false;
}

bool Session::Queue(const PacketPtr& packet) {
  if (!MayQueue(*packet)) return false;
  // An earlier one of the same turn may have been dropped.
  if (owing_ && packet->tag() != nullptr) Catching(*this).PayBefore(*packet);
  outbox_.Push(packet);
  return true;
}

bool Session::Offer(const PacketPtr& packet) {
  if (!Queue(packet)) return false;
  MarkDirty();
  return true;
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

void Session::OfferBeyond(PacketPtr packet) {
  if (closing_) return;
  outbox_.Push(std::move(packet));
  MarkDirty();
}

void Session::OnDrained() {
  waiting_since_ = {};
  conflate_at_ = 0;
  if (catching_up_ > 0 && !closing_) shard_.PullSoon(*this);
}

void Session::OnWritable() {
  if (outbox_.perishable() == 0) return;
  auto make = [this](const wire::Skip& skip) { return SkipBytes(skip); };
  Lost(DropStale(outbox_, wire::WallClock::now(), make));
}

void Session::Lost(const wire::SkipCounts& counts) {
  if (counts.none()) return;
  if (lost_ == nullptr) lost_ = std::make_unique<wire::SkipCounts>();
  lost_->Add(counts);
  for (size_t i = 0; i < wire::kSkipReasons; ++i) shard_.stats().lost[i].Add(counts.of[i]);
}

std::string Session::SkipBytes(const wire::Skip& skip) const {
  std::string bytes;
  settings_.dialect->AppendReply(bytes, skip);
  return bytes;
}

Session::Lag Session::lag() const {
  Lag lag{outbox_.messages(), outbox_.bytes(), {}, lost_ == nullptr ? wire::SkipCounts() : *lost_};
  if (lag.messages > 0 && waiting_since_ != Clock::time_point()) {
    lag.age = std::chrono::duration_cast<std::chrono::milliseconds>(shard_.now() - waiting_since_);
  }
  return lag;
}

void Session::MarkDirty() {
  if (dirty_) return;
  if (waiting_since_ == Clock::time_point()) waiting_since_ = shard_.now();
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

bool Session::ListensToStream(std::string_view stream) const {
  const LocalTopic* topic = shard_.FindTopic({wire::kDefaultApp, wire::TopicKind::kStream, stream});
  return topic != nullptr && Listens(topic);
}

}  // namespace carillon::hub
