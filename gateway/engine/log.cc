#include "gateway/engine/log.h"

#include <algorithm>
#include <utility>

#include "gateway/base/check.h"

namespace carillon::engine {

void Log::Append(const wire::FramePtr& frame, Time now, Graveyard* graveyard) {
  CARILLON_DCHECK(frame->offset() == top_ + 1);
  TrimAge(now, graveyard);
  if (frames_.size() == rule_->log.messages) TrimOldest(graveyard);
  frames_.push_back(frame);
  ++top_;
  bytes_ += frame->logged_bytes();
  while (bytes_ > rule_->log.max_bytes && frames_.size() > 1) TrimOldest(graveyard);
}

void Log::TrimAge(Time now, Graveyard* graveyard) {
  while (!frames_.empty() && frames_.front()->time() + rule_->log.age <= now) TrimOldest(graveyard);
}

void Log::TrimOldest(Graveyard* graveyard) {
  wire::FramePtr& oldest = frames_.front();
  complete_since_ = std::max(complete_since_, oldest->time());
  bytes_ -= oldest->logged_bytes();
  graveyard->push_back(std::move(oldest));
  frames_.pop_front();
}

void Log::SetRule(const TopicRule& rule, Time now, Graveyard* graveyard) {
  rule_ = &rule;
  while (frames_.size() > rule_->log.messages) TrimOldest(graveyard);
  frames_.set_capacity(rule_->log.messages);
  while (bytes_ > rule_->log.max_bytes && frames_.size() > 1) TrimOldest(graveyard);
  TrimAge(now, graveyard);
}

void Log::Clear(std::string epoch, Time now, Graveyard* graveyard) {
  while (!frames_.empty()) TrimOldest(graveyard);
  cleared_ = {std::exchange(epoch_, std::move(epoch)), std::exchange(top_, 0)};
  complete_since_ = now;
}

std::vector<wire::FramePtr> Log::After(uint64_t offset, size_t limit) const {
  CARILLON_DCHECK(offset >= base() && offset <= top_);
  auto first = frames_.begin() + static_cast<ptrdiff_t>(offset - base());
  size_t count = std::min<size_t>(limit, top_ - offset);
  return {first, first + static_cast<ptrdiff_t>(count)};
}

// Everything after the offset, or the reason why not.
Replay Log::ReadFrom(uint64_t offset) {
  Replay replay{Recovery::kOk, top(), {}, 0};
  if (offset == top_) return replay;
  if (rule_->log.mode == LogMode::kLatest && !frames_.empty()) {
    // The newest value stands for all before it.
    replay.from.offset = offset;
    replay.conflated = top_ - offset - 1;
    replay.frames = After(top_ - 1, 1);
  } else if (offset < base()) {
    replay.recovery = Recovery::kTrimmed;
  } else if (top_ - offset > rule_->log.max_replay) {
    replay.recovery = Recovery::kTooFar;
  } else {
    replay.from.offset = offset;
    replay.frames = After(offset, top_ - offset);
  }
  return replay;
}

Replay Log::Read(const Since& since, Time now, Graveyard* graveyard) {
  TrimAge(now, graveyard);
  uint64_t last = since.kind == Since::Kind::kLast ? std::min<uint64_t>(since.last, rule_->log.max_replay) : 0;
  Recovery recovery = since.kind == Since::Kind::kLast ? Recovery::kOk : Recovery::kNotAsked;
  switch (since.kind) {
    case Since::Kind::kPosition: {
      // Without an epoch: from the beginning, whichever life of the log this is.
      bool beginning = since.position.epoch.empty() && since.position.offset == 0;
      if (beginning || (since.position.epoch == epoch_ && since.position.offset <= top_)) {
        return ReadFrom(since.position.offset);
      }
      recovery = Recovery::kEpochChanged;
      break;
    }
    case Since::Kind::kTime: {
      auto newer = std::find_if(frames_.begin(), frames_.end(),
                                [&](const wire::FramePtr& frame) { return frame->time() > since.time; });
      // Times are those of acceptance, which need not rise with the offsets.
      if (complete_since_ <= since.time) return ReadFrom(base() + static_cast<uint64_t>(newer - frames_.begin()));
      // Where nothing was trimmed, the log is younger than that.
      recovery = base() == 0 ? Recovery::kEpochChanged : Recovery::kTrimmed;
      break;
    }
    case Since::Kind::kNow:
    case Since::Kind::kLast:
      break;
  }
  if (rule_->log.mode == LogMode::kLatest) last = 1;
  Replay replay{recovery, top(), {}, 0};
  replay.from.offset -= std::min<uint64_t>(last, frames_.size());
  replay.frames = After(replay.from.offset, last);
  return replay;
}

}  // namespace carillon::engine
