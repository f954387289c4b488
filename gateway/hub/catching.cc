#include "gateway/hub/catching.h"

#include <algorithm>

#include "gateway/hub/judge.h"
#include "gateway/hub/session_events.h"
#include "gateway/hub/shard.h"

namespace carillon::hub {
namespace {

// What is queued and looked at in one go: about what a socket takes, so that others get their turn.
constexpr size_t kPullBytes = 64 << 10;
constexpr size_t kPullMessages = 256;

std::string LogOf(const LocalTopic& topic) {
  return std::string(wire::LogName(topic.interest->topic()));
}

}  // namespace

// --- Their states ----------------------------------------------------------------------------------------------------

Catching::Place Catching::PlaceOf(const LocalTopic& topic) {
  for (const Subscription& subscription : session_.subscriptions_) {
    if (subscription.topic == &topic) return {subscription.topic, &subscription.topic->members[subscription.slot]};
  }
  return {nullptr, nullptr};
}

StreamState* Catching::Find(const LocalTopic& topic) {
  if (session_.states_ == nullptr) return nullptr;
  auto it = session_.states_->find(&topic);
  return it == session_.states_->end() ? nullptr : &it->second;
}

// INVARIANT: the session listens to the topic.
StreamState& Catching::FindOrMake(LocalTopic& topic) {
  if (session_.states_ == nullptr) session_.states_ = std::make_unique<Session::States>();
  auto [it, made] = session_.states_->try_emplace(&topic);
  if (made) PlaceOf(topic).member->special = true;
  return it->second;
}

void Catching::Tidy(const LocalTopic& topic) {
  StreamState* state = Find(topic);
  if (state == nullptr || state->needed()) return;
  if (Place place = PlaceOf(topic); place.member != nullptr) place.member->special = false;
  session_.states_->erase(&topic);
  if (session_.states_->empty()) session_.states_ = nullptr;
}

void Catching::Begin(LocalTopic& topic, SubscribeWish wish, engine::Subscribed subscribed) {
  bool replays = !subscribed.replay.frames.empty();
  if (!replays && wish.filter == nullptr) return;
  StreamState& state = FindOrMake(topic);
  state.filter = std::move(wish.filter);
  state.slow = subscribed.rule->slow;
  if (!replays) return;
  engine::Replay& replay = subscribed.replay;
  state.at = replay.from;
  if (replay.conflated > 0) {
    state.at.offset += replay.conflated;
    state.owed = {LogOf(topic), state.at, state.at.offset, {}};
    state.owed.counts.Add(wire::SkipReason::kConflated, replay.conflated);
  }
  state.frames = std::move(replay.frames);
  if (session_.shard_.squeezed()) Unpin(state);
  state.catching_up = true;
  session_.catching_up_.push_back(&topic);
  session_.shard_.PullSoon(session_);
}

void Catching::SetFilter(LocalTopic& topic, wire::FilterPtr filter) {
  if (filter == nullptr && Find(topic) == nullptr) return;
  FindOrMake(topic).filter = std::move(filter);
  Tidy(topic);
}

void Catching::End(const LocalTopic& topic) {
  StreamState* state = Find(topic);
  if (state == nullptr) return;
  if (state->catching_up) std::erase(session_.catching_up_, &topic);
  session_.states_->erase(&topic);
  if (session_.states_->empty()) session_.states_ = nullptr;
}

// --- What is not given -----------------------------------------------------------------------------------------------

Catching::Given Catching::Offer(LocalTopic& topic, const Member& member, const engine::Delivery& delivery,
                                const PacketPtr& packet) {
  const wire::Frame& frame = *delivery.frame;
  StreamState* state = member.special ? Find(topic) : nullptr;
  // What no log keeps has no place in the order: it is given at once.
  if (state != nullptr && !frame.unlogged()) {
    if (state->catching_up || delivery.sequence <= state->live_after) return Given::kReplaying;
    state->live_after = 0;
  }
  auto why = WhyNot(frame, session_, state == nullptr ? nullptr : state->filter.get(), wire::WallClock::now());
  if (why.has_value()) {
    Owe(topic, frame, *why);
    if (*why != wire::SkipReason::kExpired) return Given::kFiltered;
    session_.Lost(*why);
    return Given::kDropped;
  }
  if (!session_.MayQueue(*packet)) return Given::kDropped;
  if (state != nullptr && !state->catching_up) {
    Pay(*state);
    Tidy(topic);
  }
  session_.OfferBeyond(packet);
  return Given::kQueued;
}

void Catching::Owe(LocalTopic& topic, const wire::Frame& frame, wire::SkipReason reason) {
  if (session_.closing_) return;
  bool lost = reason == wire::SkipReason::kDropped || reason == wire::SkipReason::kExpired;
  if (frame.unlogged() && !lost) return;  // no position has a hole where it was
  StreamState& state = FindOrMake(topic);
  wire::Skip& owed = frame.unlogged() ? state.owed_unlogged : state.owed;
  if (owed.to.epoch != frame.envelope().position().epoch()) Pay(owed);
  owed.log = LogOf(topic);
  owed.to = frame.position();
  owed.covers = frame.offset();
  owed.counts.Add(reason);
  if (!std::exchange(session_.owing_, true)) session_.shard_.owing_.push_back(&session_);
}

void Catching::Owe(const Packet& packet, wire::SkipReason reason) {
  LocalTopic* topic = session_.shard_.FindTopic(packet.tag()->topic);
  if (topic != nullptr && session_.Listens(topic)) Owe(*topic, packet.frame(), reason);
}

void Catching::Pay(wire::Skip& owed) {
  if (owed.counts.none()) return;
  std::string bytes = session_.SkipBytes(owed);
  if (!bytes.empty()) session_.OfferBeyond(PacketPtr(new Packet(std::move(bytes), owed)));
  owed = {};
}

void Catching::Pay(StreamState& state) {
  Pay(state.owed);
  Pay(state.owed_unlogged);
}

void Catching::PayBefore(const Packet& packet) {
  LocalTopic* topic = session_.shard_.FindTopic(packet.tag()->topic);
  StreamState* state = topic == nullptr ? nullptr : Find(*topic);
  if (state == nullptr || state->catching_up) return;
  Pay(*state);
  Tidy(*topic);
}

bool Catching::Pay() {
  if (session_.states_ == nullptr || session_.closing_) return true;
  if (session_.outbox_.messages() >= session_.max_messages()) return false;
  std::vector<const LocalTopic*> paid;
  bool all = true;
  for (auto& [topic, state] : *session_.states_) {
    if (!state.owes()) continue;
    if (state.catching_up) {
      all = false;  // its marker has its place among what is replayed
      continue;
    }
    Pay(state);
    paid.push_back(topic);
  }
  for (const LocalTopic* topic : paid) Tidy(*topic);
  return all;
}

// --- Catching up -----------------------------------------------------------------------------------------------------

void Catching::Pull() {
  size_t left = kPullMessages;
  while (left > 0 && !session_.catching_up_.empty() && !session_.closing_ &&
         session_.outbox_.beyond_bytes() < kPullBytes) {
    LocalTopic& topic = *session_.catching_up_.front();
    StreamState& state = *Find(topic);
    if (state.next == state.frames.size()) {
      if (!Refill(topic, state)) return;
      --left;
    } else {
      left -= PullFrames(topic, state, left);
    }
  }
  // Everything was filtered: nobody will say that something was written.
  if (!session_.catching_up_.empty() && session_.outbox_.beyond_messages() == 0 && !session_.closing_) {
    session_.shard_.PullSoon(session_);
  }
}

size_t Catching::PullFrames(LocalTopic& topic, StreamState& state, size_t limit) {
  auto now = wire::WallClock::now();
  const dialect::Dialect& dialect = *session_.settings_.dialect;
  size_t seen = 0;
  while (seen < limit && state.next < state.frames.size() && session_.outbox_.beyond_bytes() < kPullBytes) {
    wire::FramePtr frame = std::move(state.frames[state.next++]);
    ++seen;
    state.at = frame->position();
    auto why = WhyNot(*frame, session_, state.filter.get(), now);
    if (!why.has_value() && frame->expired(now)) why = wire::SkipReason::kExpired;
    if (why.has_value()) {
      Owe(topic, *frame, *why);
      continue;
    }
    Pay(state);
    std::string_view bytes = frame->Encoded(dialect.encoding(), dialect.encode());
    session_.OfferBeyond(PacketPtr(new Packet(std::move(frame), bytes, Packet::Kind::kReplay)));
    session_.shard_.stats().replayed.Add();
  }
  return seen;
}

bool Catching::Refill(LocalTopic& topic, StreamState& state) {
  engine::CaughtUp next = session_.shard_.engine().CatchUp(topic.interest->topic(), state.at, kPullMessages);
  if (next.broken || next.lost > 0) {
    // It reads so slowly that the log went on without it.
    if (state.slow == engine::SlowPolicy::kDisconnect) {
      session_.shard_.stats().slow_consumers.Add();
      RecordSlow(session_, true);
      session_.Close(wire::CloseCode::kSlowConsumer, wire::InfoOf(wire::CloseCode::kSlowConsumer).reason);
      return false;
    }
    // Where the log is another, nobody knows how many: at least one.
    next.lost = std::max<uint64_t>(next.lost, 1);
    session_.Lost(wire::SkipReason::kDropped, next.lost);
  }
  if (next.lost + next.conflated > 0) {
    if (state.owed.to.epoch != next.at.epoch) Pay(state);
    state.owed.log = LogOf(topic);
    state.owed.to = next.at;
    state.owed.covers = next.at.offset;
    state.owed.counts.Add(wire::SkipReason::kDropped, next.lost);
    state.owed.counts.Add(wire::SkipReason::kConflated, next.conflated);
  }
  state.at = next.at;
  state.frames = std::move(next.frames);
  state.next = 0;
  if (session_.shard_.squeezed()) Unpin(state);
  if (state.frames.empty()) GoLive(topic, state, next.sequence);
  return true;
}

void Catching::Unpin() {
  for (const LocalTopic* topic : session_.catching_up_) Unpin(*Find(*topic));
}

void Catching::Unpin(StreamState& state) {
  size_t end = state.next;
  for (size_t bytes = 0; end < state.frames.size() && bytes < kPullBytes; ++end) bytes += state.frames[end]->bytes();
  if (end == state.frames.size()) return;
  std::vector<wire::FramePtr> kept(state.frames.begin() + static_cast<ptrdiff_t>(state.next),
                                   state.frames.begin() + static_cast<ptrdiff_t>(end));
  state.frames = std::move(kept);
  state.next = 0;
}

// From here on it is live: what is newer than `sequence` is still to come from the mailbox, and what is not has been
// given.
void Catching::GoLive(LocalTopic& topic, StreamState& state, uint64_t sequence) {
  state.catching_up = false;
  state.frames = {};
  if (session_.shard_.mailbox().messages() > 0) state.live_after = sequence;
  std::erase(session_.catching_up_, &topic);
  Pay(state);
  Tidy(topic);
}

}  // namespace carillon::hub
