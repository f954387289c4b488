#include "gateway/hub/farewell.h"

#include <algorithm>
#include <random>

#include "gateway/hub/shard.h"

namespace carillon::hub {
namespace {

// A process that restarts in place needs some time too.
constexpr std::chrono::milliseconds kLeastRetry{500};

std::minstd_rand& Chance() {
  static thread_local std::minstd_rand chance(std::random_device{}());
  return chance;
}

}  // namespace

void SendHome(Session& session, std::chrono::milliseconds window) {
  std::uniform_int_distribution<int64_t> draw(0, window.count());
  auto retry = kLeastRetry + std::chrono::milliseconds(draw(Chance()));
  session.Reply(dialect::Restart{static_cast<uint32_t>(retry.count())});
  session.Close(wire::CloseCode::kRestart, wire::InfoOf(wire::CloseCode::kRestart).reason);
}

Farewell::Farewell(Shard& shard, const Leavers& leavers, std::chrono::milliseconds window)
    : shard_(shard), leavers_(leavers), window_(window), began_(shard.now()) {
  shard.ForEachSession([this](Session& session) {
    if (leavers_.Takes(session)) sessions_.push_back(session.id());
  });
  std::shuffle(sessions_.begin(), sessions_.end(), Chance());
}

void Farewell::Begin(Shard& shard, const Leavers& leavers, std::chrono::milliseconds window) {
  End(shard, leavers);
  shard.farewells().emplace_back(new Farewell(shard, leavers, window));
  shard.farewells().back()->OnTimer();
}

void Farewell::End(Shard& shard, const Leavers& leavers) {
  std::erase_if(shard.farewells(), [&](const auto& farewell) { return farewell->leavers_ == leavers; });
}

void Farewell::Meet(Session& session) {
  for (const auto& farewell : session.shard().farewells()) {
    if (farewell->leavers_.Takes(session)) return SendHome(session, farewell->window_);
  }
}

size_t Farewell::Count(Shard& shard, const Leavers& leavers) {
  size_t count = 0;
  shard.ForEachSession([&](Session& session) { count += !session.closing() && leavers.Takes(session) ? 1 : 0; });
  return count;
}

void Farewell::OnTimer() {
  auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(shard_.now() - began_);
  size_t due = sessions_.size();
  if (passed < window_) due = std::min(due, due * static_cast<size_t>(passed.count()) / window_.count() + 1);
  while (next_ < due) {
    if (Session* session = shard_.FindSession(sessions_[next_++])) SendHome(*session, window_);
  }
  if (next_ < sessions_.size()) shard_.wheel().Arm(*this, shard_.now() + TimerWheel::kTick);
}

}  // namespace carillon::hub
