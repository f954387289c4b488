#include "gateway/wire/name_pattern.h"

#include <fnmatch.h>

#include <algorithm>
#include <cctype>
#include <string_view>

#include "gateway/wire/topic.h"

namespace carillon::wire {

bool MatchesPattern(const std::string& pattern, const std::string& name) {
  return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

std::string PatternProblem(const std::string& pattern) {
  if (pattern.empty()) return "is missing: a stream's name, or one with *, such as chat-*";
  size_t open = pattern.find('[');
  bool closed = open == std::string::npos || pattern.find(']', open) != std::string::npos;
  bool sound = closed && pattern.size() <= kMaxStreamBytes && std::all_of(pattern.begin(), pattern.end(), [](char c) {
                 return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                        std::string_view("._:-*?[]!^").find(c) != std::string_view::npos;
               });
  return sound ? "" : "matches no stream: names hold letters, digits and . _ : -, and * ? [a-z] stand for them";
}

}  // namespace carillon::wire
