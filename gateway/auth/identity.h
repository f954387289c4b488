#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace carillon::auth {

// The longest "jti"; what is longer is cut.
inline constexpr size_t kMaxTokenIdBytes = 256;

// Who is behind a session, as its token says. Immutable and shared; a null pointer is an anonymous session.
struct Identity {
  std::string user_id;
  std::string name;  // may be empty
  std::string info;  // JSON for the members of streams; empty: nothing
  std::vector<std::string> roles;
  std::map<std::string, std::string> labels;          // what Subscribers shows of the session, and selectors look at
  std::vector<std::string> streams;                   // granted to it, and subscribed at connect
  std::string only_stream;                            // not empty: the token grants this and is good for nothing else
  std::string token_id;                               // "jti"; empty: none
  std::chrono::system_clock::time_point issued_at;    // "iat"; 1970 where the token does not say
  std::chrono::system_clock::time_point expires_at;   // "exp"
  std::chrono::system_clock::time_point valid_until;  // the same and the leeway: from then on the token is none
};
using IdentityPtr = std::shared_ptr<const Identity>;

// A text with each {NAME} replaced by its value; nothing where one of them has none.
std::optional<std::string> Expand(std::string_view pattern,
                                  const std::function<std::optional<std::string>(std::string_view name)>& value_of);

// A text with {user} and {LABEL} replaced by what the identity says, such as workspace-{workspace}; nothing where it
// does not say one of them, or says one with a comma: that separates streams.
std::optional<std::string> Expand(std::string_view pattern, const Identity& identity);

// What an identity says: of "user", or of a label; nothing where it does not, or with a comma.
std::optional<std::string> ValueOf(const Identity& identity, std::string_view name);

// Why a pattern for Expand is none ("{" and "}" that do not pair), or empty.
std::string PatternProblem(std::string_view pattern);

}  // namespace carillon::auth
