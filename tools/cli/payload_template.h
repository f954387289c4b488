#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"

namespace carillon::cli {

// The names that may stand in a payload, for help and errors.
inline constexpr char kTemplateNames[] = "{{.Count}}, {{.Time}}, {{.UnixMs}}, {{.Random}}, {{.ID}}";

// A payload with places to fill: {{.Count}} is the message's number from 1, {{.Time}} the time in RFC 3339 with
// milliseconds, {{.UnixMs}} the same in milliseconds since 1970, {{.Random}} a whole number below 1,000,000, {{.ID}}
// 16 hexadecimal digits. They stand in JSON as they are: {"n":{{.Count}},"at":"{{.Time}}"}.
class PayloadTemplate {
 public:
  // INVALID_ARGUMENT: a name that there is not. Braces that are no such place are text.
  static StatusOr<PayloadTemplate> Parse(std::string_view text);

  // Nothing to fill.
  static PayloadTemplate Literal(std::string text);

  std::string Fill(uint64_t count) const;

 private:
  struct Part {
    std::string text;
    std::string (*made)(uint64_t count);  // behind the text; null: nothing
  };

  std::vector<Part> parts_;
};

}  // namespace carillon::cli
