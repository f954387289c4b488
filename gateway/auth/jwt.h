#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "gateway/auth/identity.h"
#include "gateway/base/status.h"

// JSON Web Tokens (RFC 7519) in the compact form of RFC 7515, signed with HS256. The algorithm belongs to the key: a
// token that names another one is refused, and "none" does not exist.
namespace carillon::auth {

// Tokens longer than this are refused before they are looked at.
inline constexpr size_t kMaxTokenBytes = 8192;

struct JwtSettings {
  std::string secret;    // at least 32 bytes; empty: every token is refused
  std::string issuer;    // empty: "iss" is not checked
  std::string audience;  // empty: "aud" is not checked
  std::chrono::seconds leeway{30};
};

// The identity that a token proves at the time `now`, or UNAUTHENTICATED with the exact reason. The message holds
// nothing of the token itself. Pure; any thread.
StatusOr<Identity> VerifyJwt(std::string_view token, const JwtSettings& settings,
                             std::chrono::system_clock::time_point now);

// A signed token for an identity; its expires_at becomes "exp".
std::string SignJwt(const Identity& identity, const JwtSettings& settings,
                    std::chrono::system_clock::time_point issued_at);

}  // namespace carillon::auth
