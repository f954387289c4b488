#include "gateway/engine/memory_presence.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gateway/base/json_escape.h"
#include "gateway/wire/new_envelope.h"

namespace carillon::engine {

wire::Member MemoryPresence::MemberOf(const std::string& user_id, const Entry& entry) {
  return {user_id, entry.name, entry.info, entry.mood, entry.since, static_cast<uint32_t>(entry.sessions.size())};
}

// --- Coming and going ------------------------------------------------------------------------------------------------

void MemoryPresence::Enter(const wire::TopicView& stream, const TopicRule& rule, SessionId session,
                           const Person& person) {
  if (!rule.KeepsPresence(stream)) return;
  Stripe& stripe = StripeOf(stream);
  std::lock_guard lock(stripe.mutex);
  auto found = stripe.sets.find(stream);
  if (found == stripe.sets.end()) found = stripe.sets.emplace(wire::Topic(stream), Set{&rule}).first;
  Set& set = found->second;
  set.rule = &rule;
  auto [it, fresh] = set.entries.try_emplace(std::string(person.user_id));
  Entry& entry = it->second;
  bool joins = fresh || entry.gone;
  if (joins) {
    entry.gone = false;
    entry.since = wire::WallClock::now();
    entry.mood = {};
    entry.as_of = person.as_of;
    entry.changed = true;
    ++set.there;
  }
  entry.leaves_at = kNever;
  entry.awaited_until = {};
  if (std::find(entry.sessions.begin(), entry.sessions.end(), session) == entry.sessions.end()) {
    entry.sessions.push_back(session);
  }
  bool newer = person.as_of >= entry.as_of;
  if (newer) entry.as_of = person.as_of;
  if (newer && (entry.name != person.name || entry.info != person.info)) {
    entry.name = person.name;
    entry.info = person.info;
    entry.changed = true;
  }
  if (joins) Record(v1::EVENT_KIND_MEMBER_JOINED, stream, set, it);
  Tell(stripe, stream, set, it);
}

void MemoryPresence::Leave(const wire::TopicView& stream, SessionId session, std::string_view user_id,
                           Leaving leaving) {
  Stripe& stripe = StripeOf(stream);
  std::lock_guard lock(stripe.mutex);
  auto found = stripe.sets.find(stream);
  if (found == stripe.sets.end()) return;
  Set& set = found->second;
  auto it = set.entries.find(user_id);
  if (it == set.entries.end()) return;
  Entry& entry = it->second;
  auto place = std::find(entry.sessions.begin(), entry.sessions.end(), session);
  if (place == entry.sessions.end()) return;
  entry.sessions.erase(place);
  auto now = now_();
  if (leaving == Leaving::kPerhaps) entry.awaited_until = now + set.rule->presence.grace;
  if (!entry.sessions.empty()) return;
  if (entry.awaited_until <= now) {
    GoNow(stripe, stream, set, it);
    return ForgetIfEmpty(stripe, stream);
  }
  entry.leaves_at = entry.awaited_until;
  stripe.graces.push({entry.leaves_at, wire::Topic(stream), std::string(user_id)});
}

void MemoryPresence::EndGrace(wire::AppId app, std::string_view user_id) {
  for (Stripe& stripe : stripes_) {
    std::lock_guard lock(stripe.mutex);
    std::vector<wire::Topic> emptied;
    for (auto& [stream, set] : stripe.sets) {
      if (stream.app != app) continue;
      auto it = set.entries.find(user_id);
      if (it == set.entries.end()) continue;
      it->second.awaited_until = {};
      if (it->second.gone || !it->second.sessions.empty()) continue;
      GoNow(stripe, stream, set, it);
      if (set.entries.empty()) emptied.push_back(stream);
    }
    for (const wire::Topic& stream : emptied) ForgetIfEmpty(stripe, stream);
  }
}

Status MemoryPresence::SetMood(const wire::TopicView& stream, std::string_view user_id, const wire::Mood& mood) {
  Stripe& stripe = StripeOf(stream);
  std::lock_guard lock(stripe.mutex);
  auto found = stripe.sets.find(stream);
  Set* set = found == stripe.sets.end() ? nullptr : &found->second;
  auto it = set == nullptr ? Entries::iterator() : set->entries.find(user_id);
  if (set == nullptr || it == set->entries.end() || it->second.gone) {
    return absl::NotFoundError("the user is not in this stream");
  }
  if (it->second.mood == mood) return absl::OkStatus();
  it->second.mood = mood;
  it->second.changed = true;
  Tell(stripe, stream, *set, it);
  return absl::OkStatus();
}

Members MemoryPresence::List(const wire::TopicView& stream, std::string_view after, size_t limit, bool all) const {
  const Stripe& stripe = StripeOf(stream);
  std::lock_guard lock(stripe.mutex);
  auto found = stripe.sets.find(stream);
  if (found == stripe.sets.end()) return {};
  const Set& set = found->second;
  Members members;
  members.count = set.there;
  members.counts_only = set.counts_only;
  if (set.counts_only && !all) return members;
  auto it = after.empty() ? set.entries.begin() : set.entries.upper_bound(after);
  for (; it != set.entries.end(); ++it) {
    if (it->second.gone) continue;
    if (members.page.size() == limit) {
      members.more = true;
      break;
    }
    members.page.push_back(MemberOf(it->first, it->second));
  }
  return members;
}

void MemoryPresence::GoNow(Stripe& stripe, const wire::TopicView& stream, Set& set, Entries::iterator it) {
  it->second.leaves_at = kNever;
  it->second.gone = true;
  --set.there;
  Record(v1::EVENT_KIND_MEMBER_LEFT, stream, set, it);
  Tell(stripe, stream, set, it);
}

// For backends, and at once: what subscribers are told may wait, or be counts alone.
void MemoryPresence::Record(v1::EventKind kind, const wire::TopicView& stream, const Set& set,
                            Entries::const_iterator it) {
  feed_.Record(stream.app, kind, [&](v1::FeedEvent& event) {
    event.set_user_id(it->first);
    event.set_stream(std::string(stream.name));
    event.mutable_member()->set_name(it->second.name);
    event.mutable_member()->set_count(static_cast<uint32_t>(set.there));
  });
}

void MemoryPresence::ForgetIfEmpty(Stripe& stripe, const wire::TopicView& stream) {
  auto found = stripe.sets.find(stream);
  if (found == stripe.sets.end() || !found->second.entries.empty() || found->second.count_waits) return;
  stripe.waiting.erase(stream);
  stripe.sets.erase(found);
}

// --- Telling ---------------------------------------------------------------------------------------------------------

void MemoryPresence::Tell(Stripe& stripe, const wire::TopicView& stream, Set& set, Entries::iterator it) {
  size_t most = set.rule->presence.max_members;
  // Fewer by a quarter before members are told again, so that one who comes and goes does not switch it each time.
  bool counts_only = most == 0 || (set.counts_only ? set.there > most - most / 4 : set.there > most);
  if (set.counts_only || counts_only) {
    // Whoever wants to know who is there asks again once members are told; so everybody counts as told.
    if (counts_only && !std::exchange(set.counts_only, true)) {
      set.untold.clear();
      for (auto& [user_id, entry] : set.entries) {
        entry.waits = false;
        entry.told = true;
        entry.changed = false;
      }
      set.counted_at = {};
      for (auto each = set.entries.begin(); each != set.entries.end();) {
        each = each->second.gone ? set.entries.erase(each) : std::next(each);
      }
    } else if (it->second.gone) {
      set.entries.erase(it);
    } else {
      it->second.told = true;
      it->second.changed = false;
    }
    if (!counts_only) {
      set.counts_only = false;
      set.counted_at = {};
    }
    set.count_waits = true;
    return TellCount(stripe, stream, set);
  }
  // Those who wait go first, and this one behind them.
  if (set.untold.empty() && !set.count_waits && TellMember(stream, set, it)) return;
  stripe.waiting.insert(wire::Topic(stream));
  if (std::exchange(it->second.waits, true)) return;
  set.untold.push_back(it->first);
  delayed_.Add();
}

// False where it could not be published. The entry is erased once its leaving is told.
bool MemoryPresence::TellMember(const wire::TopicView& stream, Set& set, Entries::iterator it) {
  Entry& entry = it->second;
  if (entry.gone) {
    if (entry.told) {
      std::string json = R"({"user":{"id":)";
      AppendJsonString(json, it->first);
      json.append(R"(,"name":)");
      AppendJsonString(json, entry.name);
      fmt::format_to(std::back_inserter(json), R"(}},"count":{}}})", set.there);
      if (!PublishEvent(stream, "presence.leave", std::move(json), it->first)) return false;
    }
    set.entries.erase(it);
    return true;
  }
  if (entry.told && !entry.changed) return true;
  std::string json;
  wire::AppendMemberJson(json, MemberOf(it->first, entry));
  json.pop_back();
  fmt::format_to(std::back_inserter(json), R"(,"count":{}}})", set.there);
  if (!PublishEvent(stream, entry.told ? "presence.update" : "presence.join", std::move(json), it->first)) return false;
  entry.told = true;
  entry.changed = false;
  return true;
}

void MemoryPresence::TellCount(Stripe& stripe, const wire::TopicView& stream, Set& set) {
  auto now = now_();
  bool due = set.counted_at == Clock::time_point() || now - set.counted_at >= kCountEvery;
  std::string json = fmt::format(R"({{"count":{},"counts_only":{}}})", set.there, set.counts_only);
  if (due && PublishEvent(stream, "presence.count", std::move(json), {})) {
    set.count_waits = false;
    set.counted_at = now;
  } else {
    stripe.waiting.insert(wire::Topic(stream));
  }
}

bool MemoryPresence::PublishEvent(const wire::TopicView& stream, std::string_view event, std::string json,
                                  std::string_view user_id) {
  v1::Envelope envelope = wire::NewEnvelope(stream.name, event, wire::WallClock::now());
  envelope.set_json(std::move(json));
  // Where the stream conflates, what is newer of a user stands for what is older; a user's id begins after the colon.
  auto terms = std::make_shared<wire::Terms>();
  terms->conflation_key = fmt::format("presence:{}", user_id);
  if (!publish_(stream, wire::FramePtr(new wire::Frame(std::move(envelope), std::move(terms))))) return false;
  events_.Add();
  return true;
}

// --- Now and then ----------------------------------------------------------------------------------------------------

void MemoryPresence::Sweep() {
  auto now = now_();
  for (Stripe& stripe : stripes_) {
    std::lock_guard lock(stripe.mutex);
    while (!stripe.graces.empty() && stripe.graces.top().at <= now) {
      Grace grace = stripe.graces.top();
      stripe.graces.pop();
      auto found = stripe.sets.find(grace.stream);
      if (found == stripe.sets.end()) continue;
      auto it = found->second.entries.find(grace.user_id);
      if (it == found->second.entries.end() || it->second.leaves_at != grace.at) continue;
      GoNow(stripe, grace.stream, found->second, it);
      ForgetIfEmpty(stripe, grace.stream);
    }
    auto waiting = std::exchange(stripe.waiting, {});
    for (const wire::Topic& stream : waiting) {
      auto found = stripe.sets.find(stream);
      if (found == stripe.sets.end()) continue;
      Set& set = found->second;
      if (set.count_waits) TellCount(stripe, stream, set);
      std::vector<std::string> untold = std::exchange(set.untold, {});
      for (std::string& user_id : untold) {
        auto it = set.entries.find(user_id);
        if (it == set.entries.end()) continue;
        it->second.waits = false;
        if (set.untold.empty() && !set.count_waits && TellMember(stream, set, it)) continue;
        it->second.waits = true;
        set.untold.push_back(std::move(user_id));
      }
      if (!set.untold.empty()) stripe.waiting.insert(stream);
      ForgetIfEmpty(stripe, stream);
    }
  }
}

void MemoryPresence::SetRules(const std::function<const TopicRule&(const wire::TopicView&)>& rule_of) {
  for (Stripe& stripe : stripes_) {
    std::lock_guard lock(stripe.mutex);
    for (auto it = stripe.sets.begin(); it != stripe.sets.end();) {
      auto here = it++;
      const TopicRule& rule = rule_of(here->first);
      if (rule.KeepsPresence(here->first)) {
        here->second.rule = &rule;
        continue;
      }
      stripe.waiting.erase(here->first);
      stripe.sets.erase(here);
    }
  }
}

void MemoryPresence::Collect(MetricsWriter& writer) const {
  size_t streams = 0;
  size_t members = 0;
  for (const Stripe& stripe : stripes_) {
    std::lock_guard lock(stripe.mutex);
    streams += stripe.sets.size();
    for (const auto& [stream, set] : stripe.sets) members += set.there;
  }
  writer.Gauge("carillon_presence_streams", "Streams with members.", static_cast<double>(streams));
  writer.Gauge("carillon_presence_members", "Members of streams: users, those in their grace included.",
               static_cast<double>(members));
  writer.Counter("carillon_presence_events_total", "Changes of who is there that were published.", events_.value());
  writer.Counter("carillon_presence_delayed_total",
                 "Changes that could not be published at once, because a shard's mailbox was full.", delayed_.value());
}

}  // namespace carillon::engine
