#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "gateway/auth/identity.h"
#include "gateway/base/metrics.h"
#include "gateway/base/status.h"

namespace carillon::auth {

// Whom backends keep out although a key vouches for them: blocked users, and tokens that were revoked, of a user up to
// a time or by their id. Lives in memory: a restart forgets it. At most kMost blocks and kMost revocations. Thread:
// any.
class Denials {
 public:
  using Time = std::chrono::system_clock::time_point;
  static constexpr Time kForGood = Time::max();
  static constexpr size_t kMost = 100'000;

  struct Block {
    std::string user_id;
    Time until;  // kForGood: until it is taken back
    std::string reason;
  };

  // RESOURCE_EXHAUSTED where there are too many. A second one takes the first one's place.
  Status BlockUser(Block block);
  // True where the user was blocked.
  bool UnblockUser(std::string_view user_id);

  // Tokens of the user that were issued before a time, and those that do not say when. Kept until `forget_at`, when the
  // last of them has ended anyway. An earlier time than before changes nothing.
  Status RevokeUser(std::string_view user_id, Time issued_before, Time forget_at);
  Status RevokeToken(std::string_view token_id, Time forget_at);

  // PERMISSION_DENIED where the user is blocked, with the block's reason; UNAUTHENTICATED where the token was revoked.
  Status Check(const Identity& identity, Time now) const;

  // Blocks of users after `after`, by their ids, at most `limit`.
  std::vector<Block> List(std::string_view after, size_t limit, Time now) const;

  // Forgets what is over.
  void Sweep(Time now);

  void Collect(MetricsWriter& writer, std::string_view app) const;

 private:
  struct Revocation {
    Time issued_before;
    Time forget_at;
  };

  Status CheckRoom() const;  // for a revocation; with the lock
  void Count();              // with the lock, after each change

  mutable std::mutex mutex_;
  std::map<std::string, Block, std::less<>> blocks_;
  absl::flat_hash_map<std::string, Revocation> users_;
  absl::flat_hash_map<std::string, Time> tokens_;
  std::atomic<size_t> count_{0};  // of all, so that nobody asks for the lock in vain
};

}  // namespace carillon::auth
