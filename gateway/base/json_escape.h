#pragma once

#include <string>
#include <string_view>

namespace carillon {

// Appends `text` as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD, so that the result is valid
// whatever came in: log fields hold what strangers sent (CWE-117).
void AppendJsonString(std::string& out, std::string_view text);

}  // namespace carillon
