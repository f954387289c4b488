#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "gateway/auth/jwks_fetch.h"
#include "gateway/auth/key_set.h"

namespace carillon::auth {

struct JwksRules {
  JwksAddress address;
  std::optional<Algorithm> algorithm;  // of keys that say none themselves
  std::chrono::milliseconds refresh{600'000};
  std::chrono::milliseconds min_interval{30'000};  // between the beginnings of two fetches

  bool operator==(const JwksRules&) const = default;
};

// The keys of an address as it gives them now, or why there are none; secrets (HS256, HS384, HS512) are refused.
// *left_out and `stop`: as KeySet::FromJwks and FetchJwks. Blocks; any thread.
StatusOr<KeySet> FetchKeys(const JwksRules& rules, const std::atomic<bool>& stop, std::vector<std::string>* left_out);

// The keys of one address: fetched at the start, every `refresh`, every `min_interval` while it fails, and when
// somebody asks for newer ones; every second until it has answered once. Has a thread of its own. Thread: any.
class JwksSource {
 public:
  // Called by the source's thread, with what came of a fetch.
  using OnFetched = std::function<void(StatusOr<KeySet>)>;

  // Something that is let go of, on any thread, when what was waited for is over.
  using Waiter = std::shared_ptr<void>;

  // `has_keys`: some of this address are known already.
  JwksSource(JwksRules rules, OnFetched on_fetched, bool has_keys = false);
  ~JwksSource() { Stop(); }

  const JwksRules& rules() const { return rules_; }

  // Keeps `waiter` until a fetch has ended, one that is under way or a new one. False where there is none and it is too
  // early for the next.
  bool Await(const Waiter& waiter);

  // Ends the thread, within a second, and lets go of those who wait. Several are ended together if each is asked first.
  void AskToStop();
  void Stop();

 private:
  using Clock = std::chrono::steady_clock;

  void Run();
  // True where keys came.
  bool Fetch();
  std::chrono::milliseconds Pause(bool good) const;

  const JwksRules rules_;
  const OnFetched on_fetched_;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool fetching_ = false;
  bool asked_ = true;  // for the first fetch
  Clock::time_point began_at_;
  bool has_keys_;
  std::vector<Waiter> waiters_;
  std::string shown_;   // of the keys, in the log; its thread's
  std::thread thread_;  // last: it uses everything above
};

}  // namespace carillon::auth
