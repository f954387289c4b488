#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "gateway/auth/app.h"
#include "gateway/base/token_bucket.h"
#include "gateway/edge/client_address.h"
#include "gateway/edge/limit_warnings.h"
#include "gateway/hub/node.h"

namespace carillon::edge {

// The header that a refusal for want of room has: 1 to 10 seconds, at random, so that not all come back at once.
std::pair<std::string, std::string> RetryAfter();

// The settings that say how many sessions a user may have, and how many streams an app.
const char* UserSetting(const auth::App& app);
const char* StreamsSetting(const auth::App& app);
inline constexpr char kAppSetting[] = "apps[].limits.connections";

// 0: no limit.
struct ConnectionLimitSettings {
  uint32_t handshakes = 0;              // a second, of all clients
  uint32_t handshakes_per_address = 0;  // a second
  uint32_t per_address = 0;             // sessions
};

// How many may come, and how fast: of an address, of an app, of a user, and of all. An IPv6 address counts with its
// /64, which is one customer's. Bursts of twice a second's rate are let through. Thread: any.
class ConnectionLimits : public std::enable_shared_from_this<ConnectionLimits> {
 public:
  using Clock = std::chrono::steady_clock;

  ConnectionLimits(const ConnectionLimitSettings& settings, const hub::Node& node);

  // From the next connection on. Those that are there stay.
  void Set(const ConnectionLimitSettings& settings);

  // Counts a handshake, or says which rate it breaks. `address`: null for one that has no limits of its own.
  std::optional<HttpError> CheckRates(const Address* address, Clock::time_point now);

  // Takes a session's place, until the last copy of *place is gone; or says why there is none. *place stays null where
  // nothing is counted.
  std::optional<HttpError> Enter(const Address* address, std::shared_ptr<void>* place);

  // Why an app, or a user of it, may not have another session, or the app another stream. Good to as many as there are
  // shards: those that come at the same moment do not see each other.
  std::optional<std::string> AppIsFull(const auth::App& app) const;
  std::optional<std::string> UserIsFull(const auth::App& app, const std::string& user_id) const;
  std::optional<std::string> StreamsAreFull(const auth::App& app, std::string_view stream) const;

  // A user has one session more: as many as that.
  void LookAtUser(const auth::App& app, const std::string& user_id, uint32_t sessions);

  // Of limits that each user, address or session has; and of those of apps and the gateway.
  LimitWarnings& warnings() { return warnings_; }
  LimitWatches& watches() { return watches_; }

 private:
  struct Entry {
    uint32_t sessions = 0;
    TokenBucket rate;
    Clock::time_point used;
  };

  static std::string KeyOf(const Address& address);
  Entry& EntryOf(const std::string& key, Clock::time_point now);
  void Leave(const std::string& key);

  const hub::Node& node_;
  mutable LimitWatches watches_;
  LimitWarnings warnings_;
  std::mutex mutex_;
  ConnectionLimitSettings settings_;
  std::optional<TokenBucket> all_;
  absl::flat_hash_map<std::string, Entry> addresses_;
  size_t sweep_at_ = 0;  // so many addresses
};

}  // namespace carillon::edge
