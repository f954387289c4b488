#include "gateway/wire/code_words.h"

#include <algorithm>
#include <cctype>

namespace carillon::wire {
namespace {

// CloseCode: CLOSE_CODE_.
std::string PrefixOf(const google::protobuf::EnumDescriptor& codes) {
  std::string prefix;
  for (char c : codes.name()) {
    if (std::isupper(static_cast<unsigned char>(c)) != 0 && !prefix.empty()) prefix.push_back('_');
    prefix.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  }
  return prefix + "_";
}

}  // namespace

std::string WordOf(const google::protobuf::EnumValueDescriptor& value) {
  std::string word = value.name().substr(PrefixOf(*value.type()).size());
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
  return word;
}

int NumberOf(const google::protobuf::EnumDescriptor& codes, std::string_view word) {
  std::string name = PrefixOf(codes);
  for (char c : word) name.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  const auto* value = codes.FindValueByName(name);
  return value == nullptr ? 0 : value->number();
}

}  // namespace carillon::wire
