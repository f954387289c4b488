#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string_view>

#include "gateway/auth/jwt.h"

namespace carillon::auth {

// Verifies tokens by rules that may be exchanged while it is used: keys are fetched anew, the configuration is loaded
// again. Any thread.
class Verifier {
 public:
  explicit Verifier(TokenRules rules) : rules_(std::make_shared<const TokenRules>(std::move(rules))) {}

  // As VerifyJwt.
  StatusOr<IdentityPtr> Verify(std::string_view token, std::chrono::system_clock::time_point now) const;

  void SetRules(TokenRules rules);
  std::shared_ptr<const TokenRules> rules() const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const TokenRules> rules_;
};

}  // namespace carillon::auth
