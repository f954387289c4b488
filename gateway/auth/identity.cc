#include "gateway/auth/identity.h"

namespace carillon::auth {

std::optional<std::string> ValueOf(const Identity& identity, std::string_view name) {
  const std::string* value = &identity.user_id;
  if (name != "user") {
    auto label = identity.labels.find(std::string(name));
    if (label == identity.labels.end()) return std::nullopt;
    value = &label->second;
  }
  if (value->empty() || value->find(',') != std::string::npos) return std::nullopt;
  return *value;
}

std::optional<std::string> Expand(std::string_view pattern, const Identity& identity) {
  return Expand(pattern, [&](std::string_view name) { return ValueOf(identity, name); });
}

std::optional<std::string> Expand(std::string_view pattern,
                                  const std::function<std::optional<std::string>(std::string_view)>& value_of) {
  std::string text;
  while (!pattern.empty()) {
    size_t open = std::min(pattern.find('{'), pattern.size());
    text.append(pattern.substr(0, open));
    pattern.remove_prefix(open);
    if (pattern.empty()) break;
    size_t close = pattern.find('}');
    if (close == std::string_view::npos) return std::nullopt;
    auto value = value_of(pattern.substr(1, close - 1));
    if (!value.has_value()) return std::nullopt;
    text.append(*value);
    pattern.remove_prefix(close + 1);
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
