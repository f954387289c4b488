#pragma once

#include <string>
#include <string_view>

namespace carillon {

// Appends `text` as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD, so that the result is valid
// whatever came in; what a terminal or a reader would obey instead of showing it is escaped: log fields hold what
// strangers sent (CWE-117, CVE-2021-42574).
void AppendJsonString(std::string& out, std::string_view text);

// True where well-formed UTF-8 begins with such a character beyond ASCII: a control character of ISO 8859 (U+0080 to
// U+009F), one that turns the direction of text, or one that ends a line (U+2028, U+2029).
bool IsObeyed(std::string_view sequence);

}  // namespace carillon
