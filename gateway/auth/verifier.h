#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "gateway/auth/denials.h"
#include "gateway/auth/jwt.h"
#include "gateway/base/metrics.h"

namespace carillon::auth {

// Verifies tokens by rules that may be exchanged while it is used: keys are fetched anew, the configuration is loaded
// again. Any thread.
class Verifier {
 public:
  explicit Verifier(TokenRules rules) { SetRules(std::move(rules)); }
  ~Verifier() { Stop(); }
  Verifier(const Verifier&) = delete;
  Verifier& operator=(const Verifier&) = delete;

  // Who a session is. As VerifyJwt, with the keys of the rules and those that were fetched; and PERMISSION_DENIED or
  // UNAUTHENTICATED where the denials keep its bearer out; UNAVAILABLE where its key is not known and an address has
  // not given any yet. Never waits for anybody.
  StatusOr<IdentityPtr> Verify(std::string_view token, std::chrono::system_clock::time_point now) const;

  // Whether a token is for one stream and for that user, and good now: OK, or a status as above.
  Status VerifyGrant(std::string_view token, std::string_view stream, std::string_view user_id,
                     std::chrono::system_clock::time_point now) const;

  // Whether there are keys, or addresses to fetch them from: else no token is a good one.
  bool TakesTokens() const;

  // For a token whose key is not known (IsUnknownKey): true where newer keys are being fetched, and `done` will be
  // called once, on any thread, when there is nothing more to wait for. False: they were fetched a moment ago, or there
  // is nowhere to fetch them from.
  bool AwaitKeys(std::function<void()> done) const;

  // Takes other rules. Keys of addresses that stay are kept, also where they are asked in another way.
  void SetRules(TokenRules rules);

  Denials& denials() { return denials_; }
  const Denials& denials() const { return denials_; }

  // The rules now, with the keys that were fetched.
  std::shared_ptr<const TokenRules> rules() const;

  // Fetches nothing more, and lets go of those who wait. Idempotent.
  void Stop();

  void Collect(MetricsWriter& writer, std::string_view app) const;

 private:
  using Clock = std::chrono::steady_clock;

  struct Fetched {
    std::unique_ptr<JwksSource> source;
    KeySet keys;  // empty: none yet
    Clock::time_point good_at = Clock::now();
  };

  void OnFetched(const JwksRules& from, StatusOr<KeySet> keys);
  StatusOr<Identity> VerifyAny(std::string_view token, std::chrono::system_clock::time_point now) const;
  bool LacksKeys() const;
  Fetched TakeOver(const JwksRules& wanted);  // with the lock
  void Combine();                             // with the lock

  Denials denials_;
  mutable std::mutex mutex_;
  std::shared_ptr<const TokenRules> rules_;  // with what was fetched
  TokenRules given_;
  std::vector<Fetched> fetched_;
  uint64_t fetches_good_ = 0;
  uint64_t fetches_failed_ = 0;
  std::mutex changing_;  // held over a whole SetRules or Stop; before mutex_
};

}  // namespace carillon::auth
