#pragma once

#include <cstddef>
#include <string_view>

namespace carillon {

// The length of the well-formed UTF-8 sequence at the front (RFC 3629 section 4), or 0. INVARIANT: text is not empty.
size_t Utf8SequenceLength(std::string_view text);

// As much of the front as fits into so many bytes without cutting a character in two.
std::string_view Utf8Front(std::string_view text, size_t bytes);

bool IsUtf8(std::string_view text);

}  // namespace carillon
