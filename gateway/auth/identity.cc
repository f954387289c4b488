#include "gateway/auth/identity.h"

namespace carillon::auth {

std::optional<std::string> Expand(std::string_view pattern, const Identity& identity) {
  std::string text;
  while (!pattern.empty()) {
    size_t open = std::min(pattern.find('{'), pattern.size());
    text.append(pattern.substr(0, open));
    pattern.remove_prefix(open);
    if (pattern.empty()) break;
    size_t close = pattern.find('}');
    if (close == std::string_view::npos) return std::nullopt;
    std::string name(pattern.substr(1, close - 1));
    pattern.remove_prefix(close + 1);
    auto label = identity.labels.find(name);
    bool user = name == "user";
    if (!user && label == identity.labels.end()) return std::nullopt;
    const std::string& value = user ? identity.user_id : label->second;
    if (value.empty() || value.find(',') != std::string::npos) return std::nullopt;
    text.append(value);
  }
  return text;
}

std::string PatternProblem(std::string_view pattern) {
  bool open = false;
  size_t name = 0;
  for (char c : pattern) {
    if (c == '{' && open) return "has a { within { }";
    if (c == '}' && !open) return "has a } without a {";
    if (c == '}' && name == 0) return "has a {} without a name: {user}, or a label such as {workspace}";
    open = c == '{' || (open && c != '}');
    name = c == '{' ? 0 : name + 1;
  }
  return open ? "has a { without a }" : "";
}

}  // namespace carillon::auth
