#include "gateway/hub/tap.h"

#include <algorithm>

#include "gateway/hub/session.h"
#include "gateway/hub/shard.h"

namespace carillon::hub {
namespace {

size_t SizeOf(const Tapped& tapped) {
  if (tapped.frame != nullptr) return tapped.frame->bytes();
  return tapped.bytes.size() + (tapped.said.has_value() ? tapped.said->json.size() : 0);
}

}  // namespace

bool IsSecretEvent(std::string_view event) {
  constexpr std::string_view kAuth = "auth";
  return std::equal(event.begin(), event.end(), kAuth.begin(), kAuth.end(),
                    [](char c, char lower) { return (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) == lower; });
}

bool Tap::Takes(const Session& session) const {
  if (session.app() != topic_.app) return false;
  if (topic_.kind == wire::TopicKind::kSession) return session.id() == session_;
  return topic_.kind == wire::TopicKind::kUser && session.identity() != nullptr &&
         session.identity()->user_id == topic_.name;
}

bool Tap::IsLeftOut(wire::WallClock::time_point now) {
  if (seen_++ % std::max<uint32_t>(1, sample_.every) != 0) return true;
  if (sample_.per_second == 0) return false;
  auto second = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
  if (std::exchange(second_, second) != second) this_second_ = 0;
  return this_second_++ >= sample_.per_second;
}

// What is not kept is not copied.
template <class Fill>
void Tap::Add(size_t bytes, const Fill& fill) {
  auto now = wire::WallClock::now();
  std::lock_guard lock(mutex_);
  if (ended_) return;
  if (IsLeftOut(now)) {
    ++left_out_;
    return;
  }
  bool fits = frames_.size() - first_ < kMostFrames && (bytes_ == 0 || bytes_ + bytes <= kMostBytes);
  if (!fits) {
    ++lost_;
    return;
  }
  Tapped tapped;
  tapped.time = now;
  fill(tapped);
  frames_.push_back(std::move(tapped));
  bytes_ += bytes;
}

void Tap::Offer(const wire::FramePtr& frame) {
  Add(frame->bytes(), [&](Tapped& tapped) { tapped.frame = frame; });
}

void Tap::Offer(const SessionId& session, std::string_view bytes) {
  Add(bytes.size(), [&](Tapped& tapped) {
    tapped.session = session;
    tapped.bytes = bytes;
  });
}

void Tap::Offer(const SessionId& session, const Said& said) {
  Add(said.json.size(), [&](Tapped& tapped) {
    tapped.session = session;
    tapped.said = said;
  });
}

void Tap::End() {
  std::lock_guard lock(mutex_);
  ended_ = true;
}

Tap::Taken Tap::Take(size_t most, size_t bytes) {
  std::lock_guard lock(mutex_);
  Taken taken;
  size_t size = 0;
  while (first_ < frames_.size() && taken.frames.size() < most && size < bytes) {
    size_t one = SizeOf(frames_[first_]);
    size += one;
    bytes_ -= one;
    taken.frames.push_back(std::move(frames_[first_++]));
  }
  taken.more = first_ < frames_.size();
  if (!taken.more) {
    frames_.clear();
    first_ = 0;
  } else if (first_ >= kMostFrames) {
    frames_.erase(frames_.begin(), frames_.begin() + static_cast<ptrdiff_t>(std::exchange(first_, 0)));
  }
  taken.left_out = std::exchange(left_out_, 0);
  taken.lost = std::exchange(lost_, 0);
  taken.ended = ended_;
  return taken;
}

size_t Attach(Shard& shard, std::shared_ptr<Tap> tap) {
  const Tap& attached = *shard.taps().emplace_back(std::move(tap));
  size_t count = 0;
  shard.ForEachSession([&](Session& session) {
    if (session.closing() || !attached.Takes(session)) return;
    session.SetTapped(true);
    ++count;
  });
  return count;
}

void Detach(Shard& shard, const Tap& tap) {
  std::erase_if(shard.taps(), [&](const auto& each) { return each.get() == &tap; });
  shard.ForEachSession([](Session& session) {
    if (session.tapped()) SettleTaps(session);
  });
}

void SettleTaps(Session& session) {
  const auto& taps = session.shard().taps();
  session.SetTapped(std::any_of(taps.begin(), taps.end(), [&](const auto& tap) { return tap->Takes(session); }));
}

void TapGiven(const Session& session, std::string_view bytes) {
  for (const auto& tap : session.shard().taps()) {
    if (tap->Takes(session)) tap->Offer(session.id(), bytes);
  }
}

void TapSaid(const Session& session, const Said& said) {
  for (const auto& tap : session.shard().taps()) {
    if (tap->Takes(session)) tap->Offer(session.id(), said);
  }
}

void TapGone(const Session& session) {
  for (const auto& tap : session.shard().taps()) {
    if (tap->topic().kind == wire::TopicKind::kSession && tap->Takes(session)) tap->End();
  }
}

}  // namespace carillon::hub
