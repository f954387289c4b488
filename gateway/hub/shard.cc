#include "gateway/hub/shard.h"

#include <pthread.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "absl/cleanup/cleanup.h"
#include "gateway/base/log.h"
#include "gateway/base/prefetch.h"
#include "gateway/base/random.h"
#include "gateway/hub/catching.h"
#include "gateway/hub/farewell.h"
#include "gateway/hub/judge.h"
#include "gateway/hub/session_events.h"
#include "gateway/hub/tap.h"

namespace carillon::hub {
Shard::Shard(ShardIndex index, size_t mailbox_messages, size_t mailbox_bytes)
    : index_(index), mailbox_(mailbox_messages, mailbox_bytes) {
  CARILLON_CHECK(wire::CloseTable().size() <= stats_.closed.size());
}

Shard::~Shard() {
  Stop();
}

void Shard::Start(engine::Engine& engine) {
  engine_ = &engine;
  home_.Rebind();
  Tick();
  home_.Rebind();
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), fmt::format("shard-{}", index_).c_str());
    auto work = boost::asio::make_work_guard(io_);
    while (!io_.stopped()) {
      try {
        io_.run();
      } catch (const std::exception& error) {
        // Sessions catch their own faults; whatever gets here belonged to one handler, and the others go on.
        log::Error("hub", "a handler failed", {{"shard", index_}, {"why", error.what()}});
      }
    }
  });
}

void Shard::Stop() {
  if (!thread_.joinable()) return;
  io_.stop();
  thread_.join();
  home_.Rebind();
}

void Shard::Wake() {
  boost::asio::post(io_, [this] { Turn(); });
}

// For what the shard does by itself: where it is awake, it looks at the end of its turn.
void Shard::WakeIfAsleep() {
  if (mailbox_.Rouse()) Wake();
}

// Ticks come every 50 ms; a second without one was not the clients' doing.
void Shard::UpdateNow() {
  constexpr std::chrono::seconds kStandstill{1};
  Clock::time_point now = Clock::now();
  if (now - looked_at_ > kStandstill) stood_still_ += now - looked_at_;
  looked_at_ = now;
  now_ = now - stood_still_;
}

void Shard::Turn() {
  CARILLON_DCHECK(home_.Check());
  // A fault in one message or task must not leave the rest lying: whatever happens, the shard looks again.
  absl::Cleanup look_again = [this] {
    in_turn_ = false;
    SettleRetired();
    Wake();
  };
  UpdateNow();
  // What earlier messages dirtied is flushed before more are taken, so that each session keeps their order and one
  // flush serves all of a turn's messages. What is replayed does not count there, or those who read it as fast as it is
  // pulled would keep the mail from the others; and it is pulled first, where what was flushed has left room for it.
  bool through = dirty_at_ == dirty_.size();
  Pull();
  if (through) {
    in_turn_ = true;
    TakeMail();
    in_turn_ = false;
    SettleRetired();
  }
  bool flushed = FlushDirty();
  std::move(look_again).Cancel();
  // One turn is on its way at any time, or none: whoever has something for a shard that is awake only leaves it there.
  bool more = !flushed || !dirty_.empty() || !pulling_.empty() || batch_at_ < batch_.size();
  if (more || !mailbox_.Sleep()) Wake();
}

void Shard::TakeMail() {
  if (batch_at_ == batch_.size()) {
    batch_.clear();
    batch_at_ = 0;
    if (!mailbox_.Take(batch_)) return;
  }
  uint64_t frames = stats_.queued.value() + kFramesPerTurn;
  size_t end = std::min(batch_.size(), batch_at_ + kMessagesPerTurn);
  while (batch_at_ < end && stats_.queued.value() < frames) {
    if (std::holds_alternative<Task>(batch_[batch_at_])) {
      Task task = std::get<Task>(std::move(batch_[batch_at_++]));
      task(*this);
      continue;
    }
    absl::Cleanup done = [this] {
      for (const engine::Delivery& delivery : deliveries_) mailbox_.Done(delivery);
      deliveries_.clear();
      for (auto& packets : packets_) packets.clear();
    };
    TakeDeliveries(end, frames - stats_.queued.value());
    Deliver();
  }
  if (batch_at_ == batch_.size()) {
    batch_.clear();
    batch_at_ = 0;
  }
}

// Messages of one topic that follow each other are delivered together: each session is visited once for all of them,
// while its queue is in the processor's cache.
void Shard::TakeDeliveries(size_t end, uint64_t frames) {
  deliveries_.push_back(std::get<engine::Delivery>(std::move(batch_[batch_at_++])));
  auto alone = [](const engine::Delivery& delivery) {
    const wire::Terms* terms = delivery.frame->terms();
    return delivery.report != nullptr || (terms != nullptr && (!terms->ForAnyone() || delivery.frame->perishable()));
  };
  const engine::Delivery& first = deliveries_.front();
  if (alone(first)) return;
  LocalTopic* topic = index_of_topics_.Find(first.topic);
  size_t listeners = topic == nullptr ? 1 : topic->members.size();
  size_t most = std::max<size_t>(1, frames / listeners);
  while (batch_at_ < end && deliveries_.size() < most) {
    auto* next = std::get_if<engine::Delivery>(&batch_[batch_at_]);
    if (next == nullptr || alone(*next) || wire::TopicView(next->topic) != wire::TopicView(deliveries_.front().topic)) {
      break;
    }
    deliveries_.push_back(std::move(*next));
    ++batch_at_;
  }
}

void Shard::Deliver() {
  stats_.messages.Add(deliveries_.size());
  if (!taps_.empty()) [[unlikely]]
    TapDeliveries();

  // One packet a message for each encoding that somebody here wants, made when the first of them comes. Most sessions
  // have the same settings as the one before.
  std::array<size_t, wire::kEncodings> sizes{};
  const SessionSettings* settings = nullptr;
  std::span<const PacketPtr> packets;
  size_t bytes = 0;  // of all packets
  auto use = [&](const dialect::Dialect& dialect) {
    auto encoding = static_cast<size_t>(dialect.encoding());
    packets = {};
    if (!dialect.receives_broadcasts()) return;
    if (packets_[encoding].empty()) {
      for (const engine::Delivery& delivery : deliveries_) {
        packets_[encoding].push_back(packet_maker_.Make(delivery, dialect));
        sizes[encoding] += packets_[encoding].back()->bytes().size();
      }
    }
    packets = packets_[encoding];
    bytes = sizes[encoding];
  };
  const engine::Delivery& first = deliveries_.front();
  const wire::Terms* terms = first.frame->terms();
  bool judged = first.report != nullptr || (terms != nullptr && (!terms->ForAnyone() || first.frame->perishable()));
  engine::DeliveryCounts counts;
  auto choose = [&](Session& session) {
    if (&session.settings() != settings) {
      settings = &session.settings();
      use(*settings->dialect);
    }
    return !packets.empty();
  };

  if (first.topic.kind == wire::TopicKind::kSession) {
    auto id = SessionId::Parse(first.topic.name);
    Session* session = id.has_value() ? FindSession(*id) : nullptr;
    if (session != nullptr && session->app() == first.topic.app && choose(*session)) {
      auto why = WhyNot(*first.frame, *session, nullptr, wire::WallClock::now());
      if (why.has_value() && *why != wire::SkipReason::kExpired) {
        ++counts.filtered;
      } else if (!why.has_value() && session->Offer(packets[0])) {
        ++counts.queued;
        for (const PacketPtr& packet : packets.subspan(1)) counts.queued += session->Offer(packet) ? 1 : 0;
      } else {
        ++counts.dropped;
      }
    }
  } else if (LocalTopic* topic = index_of_topics_.Find(first.topic)) {
    for (Member& member : topic->members) {
      if (!choose(*member.session)) continue;
      if (!judged && !member.special && member.since < first.sequence) {
        member.session->Offer(packets, bytes);
        counts.queued += static_cast<uint32_t>(packets.size());
        continue;
      }
      OfferOneByOne(*topic, member, packets, &counts);
    }
  }
  stats_.queued.Add(counts.queued);
  if (first.report != nullptr) first.report->Add(counts);
}

// A tap of a stream is on one shard, so that each message is seen once.
void Shard::TapDeliveries() {
  for (const std::shared_ptr<Tap>& tap : taps_) {
    if (tap->topic().kind != wire::TopicKind::kStream) continue;
    if (wire::TopicView(tap->topic()) != wire::TopicView(deliveries_.front().topic)) continue;
    for (const engine::Delivery& delivery : deliveries_) tap->Offer(delivery.frame);
  }
}

// To a session for which some of the messages may not be: it came after them, or there are rules.
void Shard::OfferOneByOne(LocalTopic& topic, const Member& member, std::span<const PacketPtr> packets,
                          engine::DeliveryCounts* counts) {
  for (size_t i = 0; i < packets.size(); ++i) {
    const engine::Delivery& delivery = deliveries_[i];
    if (member.since >= delivery.sequence) continue;
    switch (Catching(*member.session).Offer(topic, member, delivery, packets[i])) {
      case Catching::Given::kQueued:
        ++counts->queued;
        break;
      case Catching::Given::kFiltered:
        ++counts->filtered;
        break;
      case Catching::Given::kDropped:
        ++counts->dropped;
        break;
      case Catching::Given::kReplaying:
        ++counts->replaying;
        break;
    }
  }
}

void Shard::PullSoon(Session& session) {
  if (std::exchange(session.pulling_, true)) return;
  pulling_.push_back(&session);
  WakeIfAsleep();
}

void Shard::Pull() {
  std::vector<Session*> now;
  now.swap(pulling_);
  size_t end = std::min(now.size(), kPullsPerTurn);
  for (size_t i = 0; i < end; ++i) {
    if (now[i] == nullptr) continue;
    now[i]->pulling_ = false;
    if (now[i]->outbox().beyond_messages() == 0) Catching(*now[i]).Pull();
  }
  // Those who have not had their turn come before those who want another.
  pulling_.insert(pulling_.begin(), now.begin() + static_cast<ptrdiff_t>(end), now.end());
}

void Shard::PayMarkers() {
  std::vector<Session*> now;
  now.swap(owing_);
  for (Session* session : now) {
    if (session == nullptr) continue;
    if (Catching(*session).Pay()) {
      session->owing_ = false;
    } else {
      owing_.push_back(session);
    }
  }
  if (!dirty_.empty()) WakeIfAsleep();
}

void Shard::SetSqueezed(bool squeezed) {
  if (!std::exchange(squeezed_, squeezed) && squeezed) {
    ForEachSession([](Session& session) { Catching(session).Unpin(); });
  }
}

bool Shard::FlushDirty() {
  size_t end = std::min(dirty_.size(), dirty_at_ + kFlushesPerTurn);
  // Sessions lie all over memory, and a send leaves little of them in the processor's cache: those that come next are
  // fetched meanwhile, first themselves, then what they lead to. That is 7 % of a paced fan-out (docs/performance.md).
  auto ahead = [&](size_t by) { return dirty_at_ + by < end ? dirty_[dirty_at_ + by] : nullptr; };
  while (dirty_at_ < end) {
    if (Session* next = ahead(2 * kFetchAhead)) Prefetch(next, sizeof *next);
    if (Session* next = ahead(kFetchAhead)) {
      next->outbox_.Prefetch();
      next->transport_.Prefetch();
    }
    Session* session = dirty_[dirty_at_++];
    if (session == nullptr) continue;
    session->dirty_ = false;
    session->transport_.Flush();
  }
  if (dirty_at_ < dirty_.size()) return false;
  dirty_.clear();
  dirty_at_ = 0;
  return true;
}

void Shard::Tick() {
  UpdateNow();
  wheel_.Advance(now_);
  if (now_ - markers_at_ >= kMarkerDelay) {
    markers_at_ = now_;
    if (!owing_.empty()) PayMarkers();
  }
  tick_.expires_after(TimerWheel::kTick);
  tick_.async_wait([this](const boost::system::error_code& error) {
    if (!error) Tick();
  });
}

SessionId Shard::NewSessionId() const {
  return {index_, RandomBits()};
}

void Shard::Register(Session& session) {
  CARILLON_DCHECK(home_.Check());
  sessions_[session.id().key] = &session;
  stats_.sessions.Add();
  stats_.opened.Add();
}

SubscribeAnswer Shard::Admit(Session& session, const engine::Since& inbox) {
  session.admitted_ = true;
  if (!taps_.empty()) SettleTaps(session);
  Subscribe(session, {session.app(), wire::TopicKind::kEveryone, ""});
  std::string id = session.id().ToString();
  engine_->Subscribe({session.app(), wire::TopicKind::kSession, id}, index_);
  SubscribeAnswer answer = SubscribeToUser(session, inbox);
  RecordOpened(session);  // a backend that hears of it may answer at once
  return answer;
}

SubscribeAnswer Shard::SubscribeToUser(Session& session, const engine::Since& inbox) {
  if (session.identity() == nullptr) return {};
  return Subscribe(session, {session.app(), wire::TopicKind::kUser, session.identity()->user_id}, {inbox, {}});
}

void Shard::Unregister(Session& session, wire::CloseCode code) {
  CARILLON_DCHECK(home_.Check());
  if (in_turn_) {
    // Somebody may be walking the topics: a send to a session that just fell behind can fail. Its pending read keeps
    // the session until that has been told, which is after this turn.
    if (std::find(retired_.begin(), retired_.end(), &session) == retired_.end()) retired_.push_back(&session);
  } else {
    std::erase(retired_, &session);
    LeaveTopics(session);
  }
  auto forget = [&](std::vector<Session*>& list) {
    std::replace(list.begin(), list.end(), &session, static_cast<Session*>(nullptr));
  };
  if (session.dirty_) forget(dirty_);
  if (session.pulling_) forget(pulling_);
  if (session.owing_) forget(owing_);
  if (session.admitted_) RecordClosed(session, code);
  if (session.tapped_) TapGone(session);
  stats_.sessions.Sub();
  stats_.closed[wire::RowOf(code)].Add();
}

void Shard::LeaveTopics(Session& session) {
  if (sessions_.erase(session.id().key) == 0 || !session.admitted_) return;
  std::string id = session.id().ToString();
  engine_->Unsubscribe({session.app(), wire::TopicKind::kSession, id}, index_, true);
  session.states_ = nullptr;
  session.catching_up_ = {};
  auto leaving = session.gone_for_good_ ? engine::Leaving::kForGood : engine::Leaving::kPerhaps;
  size_t waited_for = 0;
  std::vector<Subscription>& subscriptions = session.subscriptions();
  while (!subscriptions.empty()) {
    wire::TopicView topic = subscriptions.back().topic->interest->topic();
    // Members are known by what was; so while the name is there.
    if (topic.kind == wire::TopicKind::kStream && session.identity() != nullptr) {
      if (waited_for++ == kMostGraces) leaving = engine::Leaving::kForGood;
      engine_->presence().Leave(topic, session.id(), session.identity()->user_id, leaving);
    }
    bool last = index_of_topics_.Leave(subscriptions, static_cast<uint32_t>(subscriptions.size() - 1));
    engine_->Unsubscribe(topic, index_, last);
  }
  subscriptions = {};
}

void Shard::Retire(Session& session) {
  retired_.push_back(&session);
  // Outside a turn nobody is walking the topics.
  if (!in_turn_) SettleRetired();
}

void Shard::SettleRetired() {
  while (!retired_.empty()) {
    Session* session = retired_.back();
    retired_.pop_back();
    LeaveTopics(*session);
  }
}

SubscribeAnswer Shard::Subscribe(Session& session, const wire::TopicView& topic, SubscribeWish wish) {
  CARILLON_DCHECK(home_.Check());
  if (session.closing()) return {};  // it has left all topics, and is not looked for in them when it goes
  LocalTopic* local = index_of_topics_.Find(topic);
  bool fresh = true;  // else it begins anew
  if (local != nullptr && session.Listens(local)) {
    if (wish.since.kind == engine::Since::Kind::kNow) {
      Catching(session).SetFilter(*local, std::move(wish.filter));
      return {};
    }
    Drop(session, topic);
    local = index_of_topics_.Find(topic);
    fresh = false;
  }
  engine::Subscribed subscribed = engine_->Subscribe(topic, index_, wish.since);
  if (local == nullptr) local = &index_of_topics_.Add(subscribed.interest);
  index_of_topics_.Join(*local, session, session.subscriptions(), subscribed.sequence);
  engine::Recovery recovery = subscribed.replay.recovery;
  stats_.recoveries[static_cast<size_t>(recovery)].Add();
  SubscribeAnswer answer{true, recovery, subscribed.replay.from, subscribed.top, subscribed.sessions};
  const engine::TopicRule& rule = *subscribed.rule;
  Catching(session).Begin(*local, std::move(wish), std::move(subscribed));
  if (fresh && topic.kind == wire::TopicKind::kStream) RecordSubscribed(session, topic.name);
  Enter(session, topic, rule);
  return answer;
}

void Shard::Enter(Session& session, const wire::TopicView& stream, const engine::TopicRule& rule) {
  const auth::Identity* identity = session.identity().get();
  if (identity == nullptr || !rule.KeepsPresence(stream)) return;
  engine_->presence().Enter(stream, rule, session.id(),
                            {identity->user_id, identity->name, identity->info, identity->issued_at});
}

void Shard::EnterAll(Session& session) {
  if (session.identity() == nullptr) return;
  for (const Subscription& subscription : session.subscriptions()) {
    wire::TopicView topic = subscription.topic->interest->topic();
    if (topic.kind == wire::TopicKind::kStream) Enter(session, topic, engine_->RuleOf(topic));
  }
}

void Shard::EnterAll() {
  CARILLON_DCHECK(home_.Check());
  ForEachSession([this](Session& session) {
    if (!session.closing()) EnterAll(session);
  });
}

bool Shard::Unsubscribe(Session& session, const wire::TopicView& topic) {
  if (!Drop(session, topic)) return false;
  if (topic.kind == wire::TopicKind::kStream) RecordUnsubscribed(session, topic.name);
  if (topic.kind == wire::TopicKind::kStream && session.identity() != nullptr) {
    engine_->presence().Leave(topic, session.id(), session.identity()->user_id, engine::Leaving::kForGood);
  }
  return true;
}

// Without a word to the members: the session may be back in a moment.
bool Shard::Drop(Session& session, const wire::TopicView& topic) {
  CARILLON_DCHECK(home_.Check());
  const LocalTopic* local = index_of_topics_.Find(topic);
  std::vector<Subscription>& subscriptions = session.subscriptions();
  auto it = std::find_if(subscriptions.begin(), subscriptions.end(),
                         [local](const Subscription& subscription) { return subscription.topic == local; });
  if (local == nullptr || it == subscriptions.end()) return false;
  Catching(session).End(*local);
  bool last = index_of_topics_.Leave(subscriptions, static_cast<uint32_t>(it - subscriptions.begin()));
  engine_->Unsubscribe(topic, index_, last);
  return true;
}

SubscribeAnswer Shard::Identify(Session& session, auth::IdentityPtr identity, const engine::Since& inbox) {
  bool anonymous = session.identity_ == nullptr;
  session.identity_ = std::move(identity);
  if (!session.admitted_) return Admit(session, inbox);
  if (!taps_.empty()) SettleTaps(session);
  SubscribeAnswer answer = SubscribeToUser(session, inbox);
  if (anonymous) RecordIdentified(session);
  EnterAll(session);
  return answer;
}

Session* Shard::FindSession(const SessionId& id) {
  auto it = sessions_.find(id.key);
  return it == sessions_.end() || it->second->id() != id ? nullptr : it->second;
}

}  // namespace carillon::hub
