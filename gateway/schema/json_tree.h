#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"

namespace carillon::schema {

// One JSON value, with numbers as they were written: a double would have forgotten digits. Of objects, `names` go with
// `entries`.
struct JsonNode {
  enum class Kind : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  bool truth = false;
  std::string text;  // of a number or a string
  std::vector<JsonNode> entries;
  std::vector<std::string> names;
};

// INVALID_ARGUMENT as wire::CheckUniqueMembers says it.
StatusOr<JsonNode> ReadJson(std::string_view text);

}  // namespace carillon::schema
