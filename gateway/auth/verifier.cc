#include "gateway/auth/verifier.h"

namespace carillon::auth {

StatusOr<IdentityPtr> Verifier::Verify(std::string_view token, std::chrono::system_clock::time_point now) const {
  ASSIGN_OR_RETURN(Identity identity, VerifyJwt(token, *rules(), now));
  return IdentityPtr(std::make_shared<const Identity>(std::move(identity)));
}

void Verifier::SetRules(TokenRules rules) {
  auto made = std::make_shared<const TokenRules>(std::move(rules));
  std::lock_guard lock(mutex_);
  rules_.swap(made);
}

std::shared_ptr<const TokenRules> Verifier::rules() const {
  std::lock_guard lock(mutex_);
  return rules_;
}

}  // namespace carillon::auth
