#include "gateway/hub/thinning.h"

#include <algorithm>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

namespace carillon::hub {
namespace {

using Reasons = std::vector<std::optional<wire::SkipReason>>;

// Puts the packets back that have no reason to go, and a marker for those that have one.
class Rebuilder {
 public:
  Rebuilder(Outbox& outbox, MakeSkip make) : outbox_(outbox), make_(make) {}

  Thinned Run(std::vector<PacketPtr> packets, const Reasons& reasons) {
    for (size_t i = 0; i < packets.size(); ++i) {
      const Packet& packet = *packets[i];
      if (packet.kind() == Packet::Kind::kSkip) {
        Cover(packet.skip());
      } else if (reasons[i].has_value()) {
        const wire::Frame& frame = packet.frame();
        wire::Skip skip{std::string(wire::LogName(packet.tag()->topic)), frame.position(), frame.offset(), {}};
        skip.counts.Add(*reasons[i]);
        thinned_.Add(*reasons[i]);
        Cover(skip);
      } else {
        Kept(packet);
        queue_.push_back({std::move(packets[i]), std::nullopt});
      }
    }
    for (auto& [key, line] : lines_) Append(line.behind);
    for (Entry& entry : queue_) {
      if (entry.skip.has_value()) {
        std::string bytes = make_(*entry.skip);
        if (bytes.empty()) continue;
        entry.packet = PacketPtr(new Packet(std::move(bytes), *std::move(entry.skip)));
      }
      outbox_.PutBack(std::move(entry.packet));
    }
    return thinned_;
  }

 private:
  struct Entry {
    PacketPtr packet;
    std::optional<wire::Skip> skip;  // instead: becomes one
  };
  // What is told of a log: by a marker where the first missing message stood, and one at the end where the last is
  // missing too.
  struct Line {
    size_t marker;            // in queue_
    bool kept_since = false;  // a message of the log stands behind it
    wire::Skip behind;        // and these are missing behind that one
  };

  // What no log keeps has no position, and markers of its own.
  using Key = std::pair<std::string, bool>;
  static Key KeyOf(const wire::Skip& skip) { return {skip.log, !skip.to.epoch.empty()}; }

  void Cover(const wire::Skip& skip) {
    auto it = lines_.find(KeyOf(skip));
    if (it == lines_.end() || queue_[it->second.marker].skip->to.epoch != skip.to.epoch) {
      if (it != lines_.end()) Append(it->second.behind);
      lines_[KeyOf(skip)] = {queue_.size(), false, {}};
      queue_.push_back({nullptr, skip});
      return;
    }
    Line& line = it->second;
    bool logged = it->first.second;
    wire::Skip& into = logged && line.kept_since ? line.behind : *queue_[line.marker].skip;
    into.log = skip.log;
    into.to = skip.to;
    into.covers = std::max(into.covers, skip.covers);
    into.counts.Add(skip.counts);
  }

  void Kept(const Packet& packet) {
    bool tagged = packet.tag() != nullptr;
    for (auto& [key, line] : lines_) {
      if (tagged && wire::LogName(packet.tag()->topic) != key.first) continue;
      line.kept_since = true;
      if (line.behind.counts.none()) continue;
      if (tagged) {
        wire::Skip& marker = *queue_[line.marker].skip;
        marker.covers = std::max(marker.covers, line.behind.covers);
        marker.counts.Add(line.behind.counts);
      } else {
        // What log a packet without a tag belongs to, nobody knows any more: nothing may be told too late or too early.
        line.marker = queue_.size();
        Append(line.behind);
      }
      line.behind = {};
    }
  }

  void Append(const wire::Skip& skip) {
    if (!skip.counts.none()) queue_.push_back({nullptr, skip});
  }

  Outbox& outbox_;
  MakeSkip make_;
  Thinned thinned_;
  std::vector<Entry> queue_;
  absl::flat_hash_map<Key, Line> lines_;
};

}  // namespace

Thinned Conflate(Outbox& outbox, MakeSkip make) {
  if (outbox.conflatable() == 0) return {};
  std::vector<PacketPtr> packets = outbox.TakeUnsent();
  Reasons reasons(packets.size());
  absl::flat_hash_set<std::pair<std::string_view, std::string_view>> seen;  // stream and key
  for (size_t i = packets.size(); i-- > 0;) {
    const Packet& packet = *packets[i];
    if (!packet.conflatable()) continue;
    bool newest = seen.insert({packet.tag()->topic.name, packet.frame().conflation_key()}).second;
    if (!newest) reasons[i] = wire::SkipReason::kConflated;
  }
  return Rebuilder(outbox, make).Run(std::move(packets), reasons);
}

Thinned DropStale(Outbox& outbox, wire::WallClock::time_point now, MakeSkip make) {
  std::vector<PacketPtr> packets = outbox.TakeUnsent();
  Reasons reasons(packets.size());
  for (size_t i = 0; i < packets.size(); ++i) {
    if (packets[i]->perishable() && packets[i]->frame().stale(now)) reasons[i] = wire::SkipReason::kExpired;
  }
  return Rebuilder(outbox, make).Run(std::move(packets), reasons);
}

Thinned DropOldest(Outbox& outbox, const wire::TopicView& topic, bool others, size_t messages, size_t bytes,
                   MakeSkip make) {
  if (outbox.droppable() == 0) return {};
  std::vector<PacketPtr> packets = outbox.TakeUnsent();
  Reasons reasons(packets.size());
  size_t gone = 0;
  size_t gone_bytes = 0;
  auto drop = [&](bool of_topic) {
    for (size_t i = 0; i < packets.size() && (gone < messages || gone_bytes < bytes); ++i) {
      const Packet& packet = *packets[i];
      if (!packet.droppable() || (wire::TopicView(packet.tag()->topic) == topic) != of_topic) continue;
      if (packet.conflatable() && gone_bytes >= bytes) continue;
      reasons[i] = wire::SkipReason::kDropped;
      gone += packet.conflatable() ? 0 : 1;
      gone_bytes += packet.bytes().size();
    }
  };
  drop(true);
  if (others) drop(false);
  return Rebuilder(outbox, make).Run(std::move(packets), reasons);
}

}  // namespace carillon::hub
