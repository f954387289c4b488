#include "gateway/base/json_escape.h"

#include <cstdint>

#include "gateway/base/utf8.h"

namespace carillon {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Of a sequence of two or three bytes.
unsigned CodePoint(std::string_view sequence) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(sequence[i]); };
  if (sequence.size() == 2) return (byte(0) & 0x1FU) << 6 | (byte(1) & 0x3FU);
  return (byte(0) & 0x0FU) << 12 | (byte(1) & 0x3FU) << 6 | (byte(2) & 0x3FU);
}

}  // namespace

bool IsObeyed(std::string_view sequence) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(sequence[i]); };
  switch (byte(0)) {
    case 0xC2:
      return byte(1) < 0xA0;  // U+0080 to U+009F
    case 0xD8:
      return byte(1) == 0x9C;  // U+061C
    case 0xE2:
      return (byte(1) == 0x80 && (byte(2) == 0x8E || byte(2) == 0x8F || (byte(2) >= 0xA8 && byte(2) <= 0xAE))) ||
             (byte(1) == 0x81 && byte(2) >= 0xA6 &&
              byte(2) <= 0xA9);  // U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069
    default:
      return false;
  }
}

void AppendJsonString(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out.push_back('"');
  size_t plain = 0;  // where the run of bytes that need no change begins
  size_t i = 0;
  auto flush = [&] { out.append(text, plain, i - plain); };
  while (i < text.size()) {
    auto c = static_cast<uint8_t>(text[i]);
    if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
      ++i;
      continue;
    }
    if (c >= 0x80) {
      size_t length = Utf8SequenceLength(text.substr(i));
      std::string_view sequence = text.substr(i, length);
      if (length > 0 && !IsObeyed(sequence)) {
        i += length;
        continue;
      }
      flush();
      if (length > 0) {
        unsigned point = CodePoint(sequence);
        out.append("\\u");
        for (int shift = 12; shift >= 0; shift -= 4) out.push_back(kHex[point >> shift & 15]);
        i += length;
        plain = i;
        continue;
      }
      out.append(kReplacement);
    } else {
      flush();
      switch (c) {
        case '"':
          out.append("\\\"");
          break;
        case '\\':
          out.append("\\\\");
          break;
        case '\n':
          out.append("\\n");
          break;
        case '\r':
          out.append("\\r");
          break;
        case '\t':
          out.append("\\t");
          break;
        default:
          out.append("\\u00");
          out.push_back(kHex[c >> 4]);
          out.push_back(kHex[c & 15]);
      }
    }
    plain = ++i;
  }
  flush();
  out.push_back('"');
}

}  // namespace carillon
