#pragma once

#include <string>
#include <string_view>

#include "gateway/auth/key_set.h"
#include "gateway/base/status.h"

// Signed texts (RFC 7515) in the compact form.
namespace carillon::auth {

// What is longer is refused before it is looked at.
inline constexpr size_t kMaxTokenBytes = 8192;

// The payload of a text that is signed by one of the keys; else UNAUTHENTICATED with the exact reason, which quotes
// nothing of the text. Headers that would name a key themselves ("jwk", "jku", "x5u") and critical ones are refused.
// A text that names its key ("kid") is verified with that one, or with those that have no name; else with all of its
// algorithm. Pure; any thread.
StatusOr<std::string> VerifyJws(std::string_view text, const KeySet& keys);

// Whether a text is meant to be such a one, good or not: three parts, of which the first is a JSON object.
bool LooksLikeJws(std::string_view text);

// True where VerifyJws knew no key of that name, or only ones without a name that do not fit: there may be newer ones.
bool IsUnknownKey(const Status& status);

// Makes a status one for which that is true.
Status MarkUnknownKey(Status status);

// A text signed with an HS* secret.
std::string SignJws(Algorithm algorithm, std::string_view secret, std::string_view payload);

}  // namespace carillon::auth
