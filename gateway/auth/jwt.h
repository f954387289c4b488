#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "gateway/auth/claims.h"
#include "gateway/auth/identity.h"
#include "gateway/auth/jwks_source.h"
#include "gateway/auth/jws.h"
#include "gateway/auth/key_set.h"
#include "gateway/base/status.h"

// JSON Web Tokens (RFC 7519) as far as they say who somebody is.
namespace carillon::auth {

// What a token must be like. Immutable while it is used; any thread.
struct TokenRules {
  KeySet keys;                     // empty: every token is refused
  std::vector<JwksRules> fetched;  // from where there are more; see Verifier
  std::string issuer;              // empty: "iss" is not checked
  std::string audience;            // empty: "aud" is not checked
  std::chrono::seconds leeway{30};
  std::chrono::seconds max_lifetime{0};  // from "iat", or from now, to "exp"; 0: any
  ClaimRules claims;
};

// The identity that a token proves at the time `now`, or UNAUTHENTICATED with the exact reason (see also IsUnknownKey).
// The message holds nothing of the token itself. Pure; any thread.
StatusOr<Identity> VerifyJwt(std::string_view token, const TokenRules& rules,
                             std::chrono::system_clock::time_point now);

// A token for an identity, signed with HS256; its expires_at becomes "exp". Empty issuer, audience: none.
std::string SignJwt(const Identity& identity, std::string_view secret, std::string_view issuer,
                    std::string_view audience, std::chrono::system_clock::time_point issued_at);

}  // namespace carillon::auth
