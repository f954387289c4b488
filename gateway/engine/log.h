#pragma once

#include <boost/circular_buffer.hpp>
#include <boost/intrusive/list_hook.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "gateway/engine/recovery.h"
#include "gateway/engine/stream_rules.h"
#include "gateway/wire/topic.h"

namespace carillon::engine {

// The newest messages of one topic. Offsets have no holes: the retained ones are those up to top() without a gap. A
// plain value: its owner locks, and passes the time in.
class Log : public boost::intrusive::list_base_hook<> {
 public:
  using Time = wire::WallClock::time_point;
  // Where trimmed messages go, so that their owner can free them without its lock.
  using Graveyard = std::vector<wire::FramePtr>;

  // `complete_since`: messages from before it may be missing.
  Log(const wire::TopicView& topic, const TopicRule& rule, std::string epoch, Time complete_since, uint64_t top = 0)
      : topic_(topic), rule_(&rule), epoch_(std::move(epoch)), top_(top), complete_since_(complete_since) {}

  const wire::Topic& topic() const { return topic_; }
  const TopicRule& rule() const { return *rule_; }
  wire::Position top() const { return {epoch_, top_}; }
  Time complete_since() const { return complete_since_; }
  size_t messages() const { return frames_.size(); }

  // What it counts for in the budget: its messages, and itself.
  size_t bytes() const { return bytes_ + own_bytes(); }

  // The offset before the oldest message that is kept.
  uint64_t base() const { return top_ - frames_.size(); }

  // What would be the next message's position.
  wire::Position next() const { return {epoch_, top_ + 1}; }

  // Appends the message that stands at next(), and trims to the rule's bounds.
  void Append(const wire::FramePtr& frame, Time now, Graveyard* graveyard);

  // Forgets what is older than the rule's age.
  void TrimAge(Time now, Graveyard* graveyard);

  // Forgets the oldest message. INVARIANT: there is one.
  void TrimOldest(Graveyard* graveyard);

  // Is treated by another rule from here on, which still keeps a log.
  void SetRule(const TopicRule& rule, Time now, Graveyard* graveyard);

  // Forgets everything and begins anew.
  void Clear(std::string epoch, Time now, Graveyard* graveyard);

  // True where messages of that epoch were cleared, and this is what came after.
  bool Continues(const std::string& epoch) const { return epoch == epoch_ || epoch == cleared_.epoch; }

  // How many messages after a position were cleared away. INVARIANT: the log continues its epoch.
  uint64_t ClearedAfter(const wire::Position& position) const {
    return position.epoch == cleared_.epoch && position.epoch != epoch_ ? cleared_.offset - position.offset : 0;
  }

  // What a subscriber gets that asks for `since`. Trims by age first.
  Replay Read(const Since& since, Time now, Graveyard* graveyard);

  // The messages after `offset`, at most `limit`. INVARIANT: base() <= offset <= top.
  std::vector<wire::FramePtr> After(uint64_t offset, size_t limit) const;

  // Without messages.
  size_t own_bytes() const { return sizeof(Log) + topic_.name.size() + 96; }

  // When its oldest message was published. INVARIANT: there is one.
  Time oldest() const { return frames_.front()->time(); }

  // Of the engine: when it was last published to or read, and in which of its lists it is.
  uint64_t used = 0;
  bool in_full = false;

 private:
  Replay ReadFrom(uint64_t offset);

  const wire::Topic topic_;
  const TopicRule* rule_;
  std::string epoch_;
  wire::Position cleared_;  // where it stood before the last Clear
  uint64_t top_;
  Time complete_since_;  // of the newest message that was trimmed, or of the beginning
  size_t bytes_ = 0;
  boost::circular_buffer_space_optimized<wire::FramePtr> frames_{rule_->log.messages};
};

}  // namespace carillon::engine
