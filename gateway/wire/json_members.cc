#include "gateway/wire/json_members.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace carillon::wire {
namespace {

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

// The length of the value at the front.
size_t ValueLength(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (depth == 0 && (c == ',' || c == ':' || c == '}' || c == ']')) {
      return i;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return text.size();
}

}  // namespace

std::vector<JsonMember> MembersOf(std::string_view text, size_t most) {
  std::vector<JsonMember> members;
  text = Trimmed(text);
  if (text.empty() || text.front() != '{') return members;
  text.remove_prefix(1);
  while (members.size() < most) {
    text = Trimmed(text);
    if (text.empty() || text.front() == '}') break;
    size_t name = ValueLength(text);
    std::string_view rest = text.substr(name + 1);
    size_t value = ValueLength(rest);
    members.push_back({Unquoted(Trimmed(text.substr(0, name))), Trimmed(rest.substr(0, value))});
    text = rest.substr(value);
    if (!text.empty() && text.front() == ',') text.remove_prefix(1);
  }
  return members;
}

std::string_view JsonTypeOf(std::string_view text) {
  text = Trimmed(text);
  switch (text.empty() ? 'n' : text.front()) {
    case '{':
      return "object";
    case '[':
      return "array";
    case '"':
      return "string";
    case 't':
    case 'f':
      return "boolean";
    case 'n':
      return "null";
    default:
      return "number";
  }
}

std::string Unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"') return std::string(text);
  boost::json::error_code error;
  boost::json::value value = boost::json::parse(boost::json::string_view(text.data(), text.size()), error);
  if (error || !value.is_string()) return std::string(text);
  return {value.get_string().data(), value.get_string().size()};
}

}  // namespace carillon::wire
