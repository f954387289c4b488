#include "gateway/hub/catching.h"

#include <algorithm>

#include "gateway/hub/judge.h"
#include "gateway/hub/shard.h"

namespace carillon::hub {
namespace {

// What is queued and looked at in one go: about what a socket takes, so that others get their turn.
constexpr size_t kPullBytes = 64 << 10;
constexpr size_t kPullMessages = 256;

std::string LogOf(const wire::TopicView& topic) {
  return std::string(topic.kind == wire::TopicKind::kUser ? wire::kInboxLog : topic.name);
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
  if (!replays && wish.filter.empty()) return;
  StreamState& state = FindOrMake(topic);
  state.filter = std::move(wish.filter);
  state.slow = subscribed.rule->slow;
  if (!replays) return;
  engine::Replay& replay = subscribed.replay;
  state.at = replay.from;
  if (replay.conflated > 0) {
    state.at.offset += replay.conflated;
    state.owed = {LogOf(topic.interest->topic()), state.at, state.at.offset, {}};
    state.owed.counts.Add(wire::SkipReason::kConflated, replay.conflated);
  }
  state.frames = std::move(replay.frames);
  state.catching_up = true;
  ++session_.catching_up_;
  PlaceOf(topic).member->since = Member::kCatchingUp;
  session_.shard_.PullSoon(session_);
}

void Catching::End(const LocalTopic& topic) {
  StreamState* state = Find(topic);
  if (state == nullptr) return;
  if (state->catching_up) --session_.catching_up_;
  session_.states_->erase(&topic);
  if (session_.states_->empty()) session_.states_ = nullptr;
}

// --- What is not given -----------------------------------------------------------------------------------------------

Catching::Given Catching::Offer(LocalTopic& topic, const Member& member, const wire::FramePtr& frame,
                                const PacketPtr& packet) {
  // What no log keeps has no place in the order: it is given at once.
  if (member.since == Member::kCatchingUp && !frame->unlogged()) return Given::kReplaying;
  StreamState* state = member.special ? Find(topic) : nullptr;
  auto why = WhyNot(*frame, session_, state == nullptr ? nullptr : &state->filter, wire::WallClock::now());
  if (why.has_value()) {
    Owe(topic, *frame, *why);
    return *why == wire::SkipReason::kExpired ? Given::kDropped : Given::kFiltered;
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
  if (state.owed.to.epoch != frame.envelope().position().epoch()) Pay(state);
  state.owed.log = frame.log();
  state.owed.to = frame.position();
  state.owed.covers = frame.offset();
  state.owed.counts.Add(reason);
  if (!std::exchange(session_.owing_, true)) session_.shard_.owing_.push_back(&session_);
}

void Catching::Owe(const Packet& packet, wire::SkipReason reason) {
  LocalTopic* topic = session_.shard_.FindTopic(packet.tag()->topic);
  if (topic != nullptr && session_.Listens(topic)) Owe(*topic, packet.frame(), reason);
}

void Catching::Pay(StreamState& state) {
  if (state.owed.counts.none()) return;
  std::string bytes = session_.SkipBytes(state.owed);
  if (!bytes.empty()) session_.OfferBeyond(PacketPtr(new Packet(std::move(bytes), state.owed)));
  state.owed = {};
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
  if (session_.outbox_.messages() >= session_.settings_.outbox_messages) return false;
  std::vector<const LocalTopic*> paid;
  bool all = true;
  for (auto& [topic, state] : *session_.states_) {
    if (state.owed.counts.none()) continue;
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
  while (left > 0 && session_.catching_up_ > 0 && !session_.closing_ && session_.outbox_.bytes() < kPullBytes) {
    auto it = std::find_if(session_.states_->begin(), session_.states_->end(),
                           [](const auto& entry) { return entry.second.catching_up; });
    LocalTopic* topic = PlaceOf(*it->first).topic;
    StreamState& state = it->second;
    if (state.next == state.frames.size()) {
      if (!Refill(*topic, state)) return;
      --left;
    } else {
      left -= PullFrames(*topic, state, left);
    }
  }
  // Everything was filtered: nobody will say that the queue has run empty.
  if (session_.catching_up_ > 0 && session_.outbox_.empty() && !session_.closing_) {
    session_.shard_.PullSoon(session_);
  }
}

size_t Catching::PullFrames(LocalTopic& topic, StreamState& state, size_t limit) {
  auto now = wire::WallClock::now();
  const dialect::Dialect& dialect = *session_.settings_.dialect;
  size_t seen = 0;
  while (seen < limit && state.next < state.frames.size() && session_.outbox_.bytes() < kPullBytes) {
    wire::FramePtr frame = std::move(state.frames[state.next++]);
    ++seen;
    state.at = frame->position();
    auto why = WhyNot(*frame, session_, &state.filter, now);
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
  if (next.at != state.at) {
    // It reads so slowly that the log went on without it.
    if (state.slow == engine::SlowPolicy::kDisconnect) {
      session_.shard_.stats().slow_consumers.Add();
      session_.Close(wire::CloseCode::kSlowConsumer, wire::InfoOf(wire::CloseCode::kSlowConsumer).reason);
      return false;
    }
    if (state.owed.to.epoch != next.at.epoch) Pay(state);
    state.owed.log = LogOf(topic.interest->topic());
    state.owed.to = next.at;
    state.owed.covers = next.at.offset;
    state.owed.counts.Add(wire::SkipReason::kDropped, std::max<uint64_t>(next.lost, 1));
    wire::SkipCounts lost;
    lost.Add(wire::SkipReason::kDropped, std::max<uint64_t>(next.lost, 1));
    session_.Lost(lost);
    state.at = next.at;
  }
  state.frames = std::move(next.frames);
  state.next = 0;
  if (!state.frames.empty()) return true;
  // From here on it is live: what is newer than `sequence` is still to come from the mailbox.
  PlaceOf(topic).member->since = next.sequence;
  state.catching_up = false;
  --session_.catching_up_;
  Pay(state);
  Tidy(topic);
  return true;
}

}  // namespace carillon::hub
