#include "gateway/hub/session.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "gateway/hub/catching.h"
#include "gateway/hub/session_events.h"
#include "gateway/hub/shard.h"
#include "gateway/hub/tap.h"
#include "gateway/hub/thinning.h"

namespace carillon::hub {
namespace {

// How often backends are told that a session loses messages.
constexpr std::chrono::seconds kTellSlow{10};

}  // namespace

Session::Session(Shard& shard, const SessionSettings& settings, Transport& transport, SessionId id, wire::AppId app,
                 auth::IdentityPtr identity)
    : shard_(shard),
      settings_(settings),
      transport_(transport),
      id_(id),
      app_(app),
      identity_(std::move(identity)),
      connected_at_(std::chrono::system_clock::now()) {}

// What may wait: less where the process is short of memory.
size_t Session::max_bytes() const {
  return shard_.squeezed() ? settings_.outbox_bytes / 4 : settings_.outbox_bytes;
}
size_t Session::max_messages() const {
  return shard_.squeezed() ? std::max<size_t>(1, settings_.outbox_messages / 4) : settings_.outbox_messages;
}

// Messages that count: not what is beyond the bounds, and not what the queue has one of for each key only.
size_t Session::firm_messages() const {
  return outbox_.messages() - outbox_.beyond_messages() - outbox_.conflatable();
}

// The first packet may be among them, and half written.
size_t Session::firm_bytes() const {
  return outbox_.bytes() - std::min(outbox_.bytes(), outbox_.beyond_bytes());
}

bool Session::OverBytes(size_t arriving) const {
  return firm_bytes() > 0 && firm_bytes() + arriving > max_bytes();
}

// Too many messages wait, and that has lasted.
bool Session::OverMessages() const {
  return over_since_ != Clock::time_point() && shard_.now() - over_since_ >= settings_.outbox_patience;
}

bool Session::TooFarBehind(size_t arriving) {
  if (outbox_.messages() - outbox_.beyond_messages() < max_messages()) {
    over_since_ = {};
  } else if (over_since_ == Clock::time_point()) {
    over_since_ = shard_.now();
  }
  return OverBytes(arriving) || OverMessages();
}

// Some of what waits may wait for this turn's flush only, which is not the reader's fault.
bool Session::FlushHelps(size_t arriving) {
  if (!dirty_) return false;
  transport_.Flush();
  return !closing_ && !TooFarBehind(arriving);
}

// Where conflating is not enough.
bool Session::StillTooFar(size_t arriving) {
  if (outbox_.conflatable() > 0 && outbox_.conflatable() >= conflate_at_) {
    Lost(Conflate(outbox_, [this](const wire::Skip& skip) { return SkipBytes(skip); }));
    // Looking through a queue costs its length: the next time is when it has grown by a part of that.
    conflate_at_ = outbox_.conflatable() + std::max<size_t>(64, outbox_.conflatable() / 4);
  }
  return OverBytes(arriving) || (OverMessages() && firm_messages() >= max_messages());
}

// What may be dropped gives way: of the arriving message's stream first, then of others. False where that is not
// enough.
bool Session::MakeRoom(const Packet& arriving) {
  auto make = [this](const wire::Skip& skip) { return SkipBytes(skip); };
  size_t size = arriving.bytes().size();
  // An eighth of the bounds more than must be, because looking through a queue costs its length.
  size_t bytes = OverBytes(size) ? firm_bytes() + size - max_bytes() + max_bytes() / 8 : 0;
  size_t messages = 0;
  if (OverMessages() && firm_messages() >= max_messages()) {
    messages = firm_messages() + 1 - max_messages() + max_messages() / 8;
  }
  if (arriving.droppable()) {
    Lost(DropOldest(outbox_, arriving.tag()->topic, false, messages, bytes, make));
    if (!StillTooFar(size)) return true;
  }
  Lost(DropOldest(outbox_, {}, true, messages, bytes, make));
  return !StillTooFar(size);
}

// False where the packet must not be queued: the session is closed, or is now, or does without it.
bool Session::MayQueue(const Packet& packet) {
  if (closing_) return false;
  size_t size = packet.bytes().size();
  if (!TooFarBehind(size) || FlushHelps(size)) return true;
  if (closing_) return false;
  if (!StillTooFar(size)) return true;
  if (packet.droppable() && packet.tag()->slow == engine::SlowPolicy::kDropNewest) {
    Lost(wire::SkipReason::kDropped);
    Catching(*this).Owe(packet, wire::SkipReason::kDropped);
    return false;
  }
  if (MakeRoom(packet)) return true;
  shard_.stats().slow_consumers.Add();
  RecordSlow(*this, true);
  outbox_.DropUnsent();
  Close(wire::CloseCode::kSlowConsumer, wire::InfoOf(wire::CloseCode::kSlowConsumer).reason);
  return false;
}

bool Session::Queue(const PacketPtr& packet) {
  if (!MayQueue(*packet)) return false;
  // An earlier one of the same turn may have been dropped.
  if (owing_ && packet->tag() != nullptr) Catching(*this).PayBefore(*packet);
  outbox_.Push(packet);
  ++queued_;
  if (tapped_) [[unlikely]]
    TapGiven(*this, packet->bytes());
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
  if (outbox_.bytes() + bytes <= max_bytes() && outbox_.messages() + packets.size() < max_messages()) {
    over_since_ = {};
    outbox_.Push(packets, bytes);
    queued_ += packets.size();
    if (tapped_) [[unlikely]] {
      for (const PacketPtr& packet : packets) TapGiven(*this, packet->bytes());
    }
    return MarkDirty();
  }
  for (const PacketPtr& packet : packets) Offer(packet);
}

void Session::OfferBeyond(PacketPtr packet) {
  if (closing_) return;
  if (packet->kind() != Packet::Kind::kSkip) ++queued_;
  if (tapped_) [[unlikely]]
    TapGiven(*this, packet->bytes());
  outbox_.Push(std::move(packet));
  MarkDirty();
}

void Session::OnWritten() {
  if (outbox_.empty()) {
    if (waiting_since_ != Clock::time_point()) offered_at_ = std::exchange(waiting_since_, {});
    conflate_at_ = 0;
  }
  if (!catching_up_.empty() && outbox_.beyond_messages() == 0 && !closing_) shard_.PullSoon(*this);
}

void Session::OnWritable() {
  if (closing_ || outbox_.sealed() || outbox_.perishable() == 0) return;
  Lost(DropStale(outbox_, wire::WallClock::now(), [this](const wire::Skip& skip) { return SkipBytes(skip); }));
}

void Session::Lost(wire::SkipReason reason, uint64_t count) {
  wire::SkipCounts counts;
  counts.Add(reason, count);
  Lost(counts);
}

void Session::Lost(const wire::SkipCounts& counts) {
  if (counts.none()) return;
  if (lost_ == nullptr) lost_ = std::make_unique<Losses>();
  lost_->counts.Add(counts);
  for (size_t i = 0; i < wire::kSkipReasons; ++i) shard_.stats().lost[i].Add(counts.of[i]);
  if (lost_->told_at != Clock::time_point() && shard_.now() - lost_->told_at < kTellSlow) return;
  lost_->told_at = shard_.now();
  RecordSlow(*this, false);
}

std::string Session::SkipBytes(const wire::Skip& skip) const {
  std::string bytes;
  settings_.dialect->AppendReply(bytes, skip);
  return bytes;
}

Session::Lag Session::lag() const {
  Lag lag{outbox_.messages(), outbox_.bytes(), {}, lost_ == nullptr ? wire::SkipCounts() : lost_->counts};
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
  BeginClosing(wire::IsForGood(cause));
  transport_.Close(code, reason, cause);
}

void Session::BeginClosing(bool for_good) {
  if (closing_) return;
  closing_ = true;
  gone_for_good_ = for_good;
  shard_.Retire(*this);
}

bool Session::Listens(const LocalTopic* stream) const {
  return std::any_of(subscriptions_.begin(), subscriptions_.end(),
                     [stream](const Subscription& subscription) { return subscription.topic == stream; });
}

wire::FilterPtr Session::FilterOf(const wire::TopicView& topic) const {
  if (states_ == nullptr) return nullptr;
  auto it = states_->find(shard_.FindTopic(topic));
  return it == states_->end() ? nullptr : it->second.filter;
}

size_t Session::streams() const {
  return static_cast<size_t>(
      std::count_if(subscriptions_.begin(), subscriptions_.end(), [](const Subscription& subscription) {
        return subscription.topic->interest->topic().kind == wire::TopicKind::kStream;
      }));
}

size_t Session::filter_bytes() const {
  if (states_ == nullptr) return 0;
  absl::flat_hash_set<const wire::Filter*> filters;
  size_t total = 0;
  for (const auto& [topic, state] : *states_) {
    if (state.filter != nullptr && filters.insert(state.filter.get()).second) total += state.filter->bytes();
  }
  return total;
}

bool Session::ListensToStream(std::string_view stream) const {
  const LocalTopic* topic = shard_.FindTopic({app_, wire::TopicKind::kStream, stream});
  return topic != nullptr && Listens(topic);
}

}  // namespace carillon::hub
