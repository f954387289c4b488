#include "control/event_feed.h"

#include <algorithm>
#include <boost/crc.hpp>

#include "gateway/auth/client_events.h"
#include "gateway/wire/name_pattern.h"

namespace carillon::control {
namespace {

// How much of the feed is looked through in one go, where little of it is for the watcher.
constexpr int kReadsAtOnce = 16;

// The part that an event belongs to. The same on every node.
uint32_t PartOf(const v1::FeedEvent& event, size_t parts) {
  if (parts == 1) return 0;
  const std::string& key = event.session_id().empty() ? event.stream() : event.session_id();
  boost::crc_32_type crc;
  crc.process_bytes(key.data(), key.size());
  return static_cast<uint32_t>(crc.checksum() % parts);
}

}  // namespace

bool EventWish::Takes(const v1::FeedEvent& event) const {
  auto among = [](const auto& list, const auto& value) {
    return std::find(list.begin(), list.end(), value) != list.end();
  };
  if (!kinds.empty() && !among(kinds, event.kind())) return false;
  if (!users.empty() && !among(users, event.user_id())) return false;
  bool said = event.kind() == v1::EVENT_KIND_CLIENT_EVENT && !client_events.empty();
  if (said && std::none_of(client_events.begin(), client_events.end(),
                           [&](const std::string& name) { return auth::MatchesEvent(name, event.client().event()); })) {
    return false;
  }
  return streams.empty() || std::any_of(streams.begin(), streams.end(), [&](const std::string& pattern) {
           return !event.stream().empty() && wire::MatchesPattern(pattern, event.stream());
         });
}

// One who watches, and the group that it is in.
class EventFeed::Member {
 public:
  Member(WatchOrder order, std::shared_ptr<Group> group, std::weak_ptr<Watcher> watcher)
      : order(std::move(order)), group(std::move(group)), watcher(std::move(watcher)) {}

  const WatchOrder order;
  const std::shared_ptr<Group> group;
  const std::weak_ptr<Watcher> watcher;
  bool reassigned = true;  // its parts are to be said
  uint32_t next_part = 0;  // to be looked at
};

EventFeed::~EventFeed() {
  {
    std::lock_guard lock(signal_mutex_);
    stopping_ = true;
  }
  signal_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void EventFeed::Start(engine::Engine& engine) {
  engine_ = &engine;
  for (const engine::GroupPlace& place : engine.feed().TakePlaces()) {
    apps_[place.app].groups[place.group] = MakeGroup(place.group, place.acknowledged);
  }
  thread_ = std::thread([this] { Run(); });
}

std::vector<engine::GroupPlace> EventFeed::Places() const {
  std::lock_guard lock(mutex_);
  std::vector<engine::GroupPlace> places;
  for (const auto& [id, app] : apps_) {
    for (const auto& [name, group] : app.groups) {
      engine::GroupPlace& place = places.emplace_back(engine::GroupPlace{id, name, {}});
      for (const Part& part : group->parts) place.acknowledged.push_back({part.read.epoch, part.acknowledged});
    }
  }
  return places;
}

// --- Waking ----------------------------------------------------------------------------------------------------------

void EventFeed::Signal(wire::AppId app) {
  // Whoever comes at this moment reads the log after it has been counted.
  if (watchers_[app].load() == 0 || signalled_[app].exchange(true)) return;
  std::lock_guard lock(signal_mutex_);
  signals_.push_back(app);
  signal_.notify_one();
}

void EventFeed::WakeAll() {
  for (size_t app = 0; app < watchers_.size(); ++app) Signal(static_cast<wire::AppId>(app));
}

void EventFeed::Run() {
  for (;;) {
    std::vector<wire::AppId> signals;
    {
      std::unique_lock lock(signal_mutex_);
      signal_.wait(lock, [this] { return stopping_ || !signals_.empty(); });
      if (stopping_) return;
      signals.swap(signals_);
    }
    std::vector<std::weak_ptr<Watcher>> watchers;
    for (wire::AppId app : signals) {
      signalled_[app] = false;  // before the log is read: what comes later signals again
      std::lock_guard lock(mutex_);
      for (const auto& member : apps_[app].members) watchers.push_back(member->watcher);
    }
    for (const auto& each : watchers) {
      if (auto watcher = each.lock()) watcher->Wake();
    }
  }
}

// --- Coming and going ------------------------------------------------------------------------------------------------

StatusOr<std::unique_ptr<EventFeed::Stay>> EventFeed::Join(WatchOrder order, std::weak_ptr<Watcher> watcher) {
  wire::AppId id = order.app;
  std::shared_ptr<Member> member;
  {
    std::lock_guard lock(mutex_);
    App& app = apps_[id];
    if (app.members.size() >= kMaxWatchers) {
      return WithReason(ResourceExhausted("{} watch this app already: close some of them", kMaxWatchers),
                        "LIMIT_REACHED");
    }
    std::shared_ptr<Group> group;
    RETURN_IF_ERROR(FindGroup(app, order, &group));
    member = std::make_shared<Member>(std::move(order), group, std::move(watcher));
    group->members.push_back(member);
    app.members.push_back(member);
    ++watchers_[id];
    Assign(*group);
  }
  Signal(id);  // for those who have lost a part to it
  return std::make_unique<Stay>(*this, id, std::move(member));
}

Status EventFeed::FindGroup(App& app, const WatchOrder& order, std::shared_ptr<Group>* group) {
  wire::TopicView feed = engine::Feed::TopicOf(order.app);
  const engine::LogRule& rule = engine_->RuleOf(feed).log;
  if (rule.mode == engine::LogMode::kNone)
    return FailedPrecondition("this app keeps no feed (config: events.messages)");
  engine_->feed().Begin(order.app);
  auto now = Clock::now();
  std::erase_if(app.groups, [&](const auto& item) {
    return item.second->members.empty() && now - item.second->left_at > rule.age;
  });
  auto it = order.group.empty() ? app.groups.end() : app.groups.find(order.group);
  if (it != app.groups.end()) {
    if (it->second->parts.size() != order.partitions) {
      return FailedPrecondition("begin.partitions: the group {} has {}", order.group, it->second->parts.size());
    }
    *group = it->second;
    return absl::OkStatus();
  }
  if (!order.group.empty() && app.groups.size() >= kMaxGroups) {
    return WithReason(ResourceExhausted("begin.group: the app has {} groups already", kMaxGroups), "LIMIT_REACHED");
  }
  ASSIGN_OR_RETURN(wire::Position begin, BeginOf(order));
  *group = MakeGroup(order.group, std::vector<wire::Position>(order.partitions, begin));
  if (!order.group.empty()) app.groups[order.group] = *group;
  return absl::OkStatus();
}

std::shared_ptr<EventFeed::Group> EventFeed::MakeGroup(std::string name, const std::vector<wire::Position>& begin) {
  auto group = std::make_shared<Group>();
  group->name = std::move(name);
  group->left_at = Clock::now();
  for (const wire::Position& at : begin) {
    Part& part = group->parts.emplace_back();
    part.read = at;
    part.acknowledged = at.offset;
  }
  return group;
}

StatusOr<wire::Position> EventFeed::BeginOf(const WatchOrder& order) {
  ASSIGN_OR_RETURN(engine::Page page, engine_->List(engine::Feed::TopicOf(order.app), nullptr, 1, SIZE_MAX));
  if (order.resume.has_value()) {
    if (order.resume->epoch == page.top.epoch && order.resume->offset > page.top.offset) {
      return FieldError("begin.resume.offset", fmt::format("the feed has come to {} only", page.top.offset));
    }
    return *order.resume;
  }
  if (order.from_oldest && !page.frames.empty()) return wire::Position{page.top.epoch, page.frames[0]->offset() - 1};
  return page.top;
}

void EventFeed::Leave(wire::AppId id, const std::shared_ptr<Member>& member) {
  {
    std::lock_guard lock(mutex_);
    std::erase(apps_[id].members, member);
    Group& group = *member->group;
    std::erase(group.members, member);
    for (Part& part : group.parts) {
      if (part.member == member.get()) Give(part, nullptr);
    }
    group.left_at = Clock::now();
    Assign(group);
  }
  Signal(id);  // for those who have got its parts
  --watchers_[id];
}

// What it has not acknowledged is sent again.
void EventFeed::Give(Part& part, Member* member) {
  if (part.member != nullptr) part.member->reassigned = true;
  if (member != nullptr) member->reassigned = true;
  part.member = member;
  part.furthest = std::max(part.furthest, part.read.offset);
  part.on_their_way.clear();
  part.read.offset = part.acknowledged;
  part.told = part.acknowledged;
}

// Every part is somebody's, and nobody has two more than another.
void EventFeed::Assign(Group& group) {
  if (group.members.empty()) return;
  auto load = [&](const Member* member) {
    return std::count_if(group.parts.begin(), group.parts.end(), [&](const Part& p) { return p.member == member; });
  };
  auto less = [&](const auto& a, const auto& b) { return load(a.get()) < load(b.get()); };
  for (Part& part : group.parts) {
    if (part.member == nullptr) Give(part, std::min_element(group.members.begin(), group.members.end(), less)->get());
  }
  for (;;) {
    auto [least, most] = std::minmax_element(group.members.begin(), group.members.end(), less);
    if (load(most->get()) - load(least->get()) < 2) return;
    Member* rich = most->get();
    Give(*std::find_if(group.parts.begin(), group.parts.end(), [&](const Part& p) { return p.member == rich; }),
         least->get());
  }
}

// --- Reading ---------------------------------------------------------------------------------------------------------

// What a part has for its member. False where that is nothing.
bool EventFeed::Fill(Member& member, uint32_t partition, v1::WatchResponse* response) {
  Part& part = member.group->parts[partition];
  bool in_group = !member.group->name.empty();
  if (in_group && part.on_their_way.size() >= member.order.max_unacknowledged) return false;
  size_t room = in_group ? member.order.max_unacknowledged - part.on_their_way.size() : kMaxEvents;
  room = std::min(room, kMaxEvents);
  wire::TopicView feed = engine::Feed::TopicOf(member.order.app);
  for (int reads = 0; reads < kReadsAtOnce && response->events().empty() && !response->has_lost(); ++reads) {
    engine::CaughtUp next = engine_->CatchUp(feed, part.read, kMaxEvents);
    if (next.broken || next.lost > 0) {
      v1::EventsLost* lost = response->mutable_lost();
      lost->set_lost_from(part.read.offset + 1);
      lost->set_lost_to(next.broken ? 0 : next.at.offset);
      if (next.at.epoch != part.read.epoch) {
        part.on_their_way.clear();
        part.furthest = 0;
        part.acknowledged = next.at.offset;  // places in the other one say nothing here
        part.told = next.at.offset;
      }
    }
    part.read = next.at;
    for (const wire::FramePtr& frame : next.frames) {
      if (static_cast<size_t>(response->events_size()) == room) break;
      part.read.offset = frame->offset();
      v1::FeedEvent event = engine::EventOf(*frame);
      if (PartOf(event, member.group->parts.size()) != partition || !member.order.wish.Takes(event)) continue;
      if (in_group) part.on_their_way.push_back(frame->offset());
      *response->add_events() = std::move(event);
    }
    if (part.on_their_way.empty()) part.acknowledged = part.read.offset;  // nothing that somebody could acknowledge
    if (next.frames.empty()) break;
  }
  // However little is for it, it must not begin at a place that is long forgotten when it comes back.
  const engine::LogRule& rule = engine_->RuleOf(feed).log;
  auto now = Clock::now();
  uint64_t step = std::clamp<uint64_t>(rule.messages / 4, 1, kMaxEvents * kReadsAtOnce);
  bool far =
      part.read.offset >= part.told + step || (part.read.offset > part.told && now >= part.told_at + rule.age / 4);
  if (response->events().empty() && !response->has_lost() && !far) return false;
  part.told = part.read.offset;
  part.told_at = now;
  return true;
}

StatusOr<std::optional<v1::WatchResponse>> EventFeed::Stay::Next() {
  std::lock_guard lock(feed_.mutex_);
  Member& member = *member_;
  if (!feed_.engine_->RuleOf(engine::Feed::TopicOf(app_)).logged()) {
    return FailedPrecondition("this app keeps no feed any more (config: events.messages)");
  }
  std::vector<Part>& parts = member.group->parts;
  v1::WatchResponse response;
  auto say = [&](uint32_t partition) {
    response.set_partition(partition);
    response.mutable_scanned_to()->set_epoch(parts[partition].read.epoch);
    bool own = parts[partition].member == &member;
    response.mutable_scanned_to()->set_offset(own ? parts[partition].read.offset : parts[partition].acknowledged);
    return std::move(response);
  };
  if (std::exchange(member.reassigned, false)) {
    v1::WatchAssignment* assignment = response.mutable_assignment();
    for (uint32_t i = 0; i < parts.size(); ++i) {
      if (parts[i].member == &member) assignment->add_partitions(i);
    }
    uint32_t first = assignment->partitions().empty() ? 0 : assignment->partitions(0);
    parts[first].told = std::max(parts[first].told, parts[first].read.offset);
    return std::optional(say(first));
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    uint32_t partition = member.next_part++ % static_cast<uint32_t>(parts.size());
    if (parts[partition].member == &member && feed_.Fill(member, partition, &response)) {
      return std::optional(say(partition));
    }
  }
  return std::optional<v1::WatchResponse>();
}

Status EventFeed::Stay::Ack(uint32_t partition, const std::string& epoch, uint64_t offset) {
  std::lock_guard lock(feed_.mutex_);
  std::vector<Part>& parts = member_->group->parts;
  if (member_->group->name.empty()) return FieldError("ack", "goes with a group: begin.group names none");
  if (partition >= parts.size()) return FieldError("ack.partition", fmt::format("the group has {}", parts.size()));
  Part& part = parts[partition];
  if (part.member != member_.get() || (!epoch.empty() && epoch != part.read.epoch)) return absl::OkStatus();
  // What it got before the part was somebody else's for a while may be acknowledged late, and comes again all the same.
  if (offset > std::max(part.read.offset, part.furthest)) {
    return FieldError("ack.offset", fmt::format("the part was sent up to {} only", part.read.offset));
  }
  while (!part.on_their_way.empty() && part.on_their_way.front() <= offset) part.on_their_way.pop_front();
  part.acknowledged = part.on_their_way.empty() ? part.read.offset : part.on_their_way.front() - 1;
  return absl::OkStatus();
}

bool EventFeed::Stay::in_group() const {
  return !member_->group->name.empty();
}

EventFeed::Stay::~Stay() {
  feed_.Leave(app_, member_);
}

void EventFeed::Collect(MetricsWriter& writer, const std::function<std::string(wire::AppId)>& name_of) const {
  std::lock_guard lock(mutex_);
  for (const auto& [id, app] : apps_) {
    size_t on_their_way = 0;
    for (const auto& member : app.members) {
      for (const Part& part : member->group->parts) {
        if (part.member == member.get()) on_their_way += part.on_their_way.size();
      }
    }
    std::string name = name_of(id);
    if (name.empty()) continue;
    writer.Gauge("carillon_feed_watchers", "Backends that watch the events of an app.",
                 static_cast<double>(app.members.size()), {{"app", name}});
    writer.Gauge("carillon_feed_unacknowledged", "Events that were sent to groups and not acknowledged.",
                 static_cast<double>(on_their_way), {{"app", name}});
  }
}

}  // namespace carillon::control
