#include "gateway/auth/jwks_source.h"

#include <pthread.h>

#include "gateway/base/log.h"

namespace carillon::auth {

JwksSource::JwksSource(JwksRules rules, OnKeys on_keys)
    : rules_(std::move(rules)), on_keys_(std::move(on_keys)), thread_([this] { Run(); }) {}

bool JwksSource::Await(const Waiter& waiter) {
  std::lock_guard lock(mutex_);
  if (stop_) return false;
  if (!fetching_ && !asked_) {
    if (Clock::now() - began_at_ < rules_.min_interval) return false;
    asked_ = true;
    wake_.notify_one();
  }
  waiters_.push_back(waiter);
  return true;
}

void JwksSource::Stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

JwksSource::Stats JwksSource::stats() const {
  std::lock_guard lock(mutex_);
  Stats stats = stats_;
  stats.age = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - good_at_);
  return stats;
}

void JwksSource::Run() {
  ::pthread_setname_np(::pthread_self(), "jwks");
  std::unique_lock lock(mutex_);
  Clock::time_point next;
  while (true) {
    wake_.wait_until(lock, next, [this] { return stop_ || asked_; });
    if (stop_) break;
    if (!asked_ && Clock::now() < next) continue;
    asked_ = false;
    fetching_ = true;
    began_at_ = Clock::now();
    lock.unlock();
    bool good = Fetch();
    lock.lock();
    fetching_ = false;
    ++(good ? stats_.fetched : stats_.failed);
    if (good) good_at_ = Clock::now();
    next = began_at_ + (good ? rules_.refresh : std::min(rules_.refresh, rules_.min_interval));
    std::vector<Waiter> waiters = std::move(waiters_);
    waiters_.clear();
    lock.unlock();
    waiters.clear();
    lock.lock();
  }
  std::vector<Waiter> waiters = std::move(waiters_);
  lock.unlock();
}

bool JwksSource::Fetch() {
  auto text = FetchJwks(rules_.address, stop_);
  std::vector<std::string> left_out;
  auto keys = text.ok() ? KeySet::FromJwks(*text, rules_.algorithm, &left_out) : StatusOr<KeySet>(text.status());
  if (stop_) return false;
  std::string url = ShownUrl(rules_.address.url);
  if (!keys.ok()) {
    log::Warn("auth", "could not fetch keys; what was fetched before still counts",
              {{"url", url}, {"why", MessageOf(keys.status())}, {"next_in_ms", rules_.min_interval.count()}});
    return false;
  }
  log::Debug("auth", "fetched keys", {{"url", url}, {"keys", keys->keys().size()}, {"left_out", left_out.size()}});
  on_keys_(*std::move(keys));
  return true;
}

}  // namespace carillon::auth
