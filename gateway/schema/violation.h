#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace carillon::schema {

// Something that is wrong with a payload.
struct Violation {
  std::string field;  // within the payload: items[0].price, labels["a"]; empty: the payload as a whole
  std::string description;

  bool operator==(const Violation&) const = default;
};

// More are not looked for.
inline constexpr size_t kMaxViolations = 16;

}  // namespace carillon::schema
