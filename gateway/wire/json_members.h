#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace carillon::wire {

// A member of a JSON object: its name unescaped, its value as it stands.
struct JsonMember {
  std::string name;
  std::string_view value;
};

// The first members of an object, at most so many, in order; none where the text is another value. Builds nothing of
// what is inside them. INVARIANT: CheckJson(text) is OK.
std::vector<JsonMember> MembersOf(std::string_view text, size_t most);

// "object", "array", "string", "number", "boolean" or "null". INVARIANT: as above.
std::string_view JsonTypeOf(std::string_view text);

// What a JSON string says; of another value, the text as it stands. INVARIANT: as above.
std::string Unquoted(std::string_view text);

}  // namespace carillon::wire
