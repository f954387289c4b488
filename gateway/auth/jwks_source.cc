#include "gateway/auth/jwks_source.h"

#include <fmt/ranges.h>
#include <pthread.h>

#include <algorithm>

#include "gateway/base/log.h"

namespace carillon::auth {
namespace {

// Without any keys nobody gets in: that is worth asking often.
constexpr std::chrono::milliseconds kFirstPause{1'000};

}  // namespace

StatusOr<KeySet> FetchKeys(const JwksRules& rules, const std::atomic<bool>& stop, std::vector<std::string>* left_out) {
  ASSIGN_OR_RETURN(std::string text, FetchJwks(rules.address, stop));
  ASSIGN_OR_RETURN(KeySet keys, KeySet::FromJwks(text, rules.algorithm, left_out));
  // What an address tells everybody is no secret.
  auto secret = [](const Key& key) { return NameOf(key.algorithm()).starts_with("HS"); };
  if (std::any_of(keys.keys().begin(), keys.keys().end(), secret)) {
    return InvalidArgument("holds a secret (HS256, HS384, HS512), which no address may give to whoever asks");
  }
  return keys;
}

JwksSource::JwksSource(JwksRules rules, OnFetched on_fetched, bool has_keys)
    : rules_(std::move(rules)), on_fetched_(std::move(on_fetched)), has_keys_(has_keys), thread_([this] { Run(); }) {}

std::chrono::milliseconds JwksSource::Pause(bool good) const {
  if (good) return std::max(rules_.refresh, rules_.min_interval);
  return has_keys_ ? rules_.min_interval : std::min(rules_.min_interval, kFirstPause);
}

bool JwksSource::Await(const Waiter& waiter) {
  std::lock_guard lock(mutex_);
  if (stop_) return false;
  if (!fetching_ && !asked_) {
    if (Clock::now() - began_at_ < Pause(false)) return false;
    asked_ = true;
    wake_.notify_one();
  }
  waiters_.push_back(waiter);
  return true;
}

void JwksSource::AskToStop() {
  std::lock_guard lock(mutex_);
  stop_ = true;
  wake_.notify_one();
}

void JwksSource::Stop() {
  AskToStop();
  if (thread_.joinable()) thread_.join();
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
    has_keys_ = has_keys_ || good;
    next = began_at_ + Pause(good);
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
  std::vector<std::string> left_out;
  auto keys = FetchKeys(rules_, stop_, &left_out);
  if (stop_) return false;
  std::string url = ShownUrl(rules_.address.url);
  if (!keys.ok()) {
    log::Warn("auth", "could not fetch keys",
              {{"url", url},
               {"why", MessageOf(keys.status())},
               {"next", has_keys_ ? "those from before still count" : "there are none from it yet"},
               {"next_in_ms", Pause(false).count()}});
  } else {
    std::string names;
    for (const Key& key : keys->keys()) names += (names.empty() ? "" : " ") + (key.id().empty() ? "-" : key.id());
    std::string shown = fmt::format("{}; {}", names, fmt::join(left_out, "; "));
    bool same = shown == shown_;
    shown_ = std::move(shown);
    log::Write(same ? log::Level::kDebug : log::Level::kInfo, "auth", "fetched keys",
               {{"url", url},
                {"keys", names},
                {"left_out", left_out.size()},
                {"why", left_out.empty() ? std::string() : left_out.front()}});
  }
  bool good = keys.ok();
  on_fetched_(std::move(keys));
  return good;
}

}  // namespace carillon::auth
