#include "gateway/base/utf8.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>

namespace carillon {
namespace {

// RFC 3629 section 3, by the book: decodes, then judges the number.
std::optional<uint32_t> Decode(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  size_t size = byte(0) < 0x80 ? 1 : byte(0) >> 5 == 6 ? 2 : byte(0) >> 4 == 14 ? 3 : byte(0) >> 3 == 30 ? 4 : 0;
  if (size == 0 || size != text.size()) return std::nullopt;
  uint32_t code = size == 1 ? byte(0) : byte(0) & (0x7Fu >> size);
  for (size_t i = 1; i < size; ++i) {
    if (byte(i) >> 6 != 2) return std::nullopt;
    code = code << 6 | (byte(i) & 0x3Fu);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[size] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return std::nullopt;
  return code;
}

TEST(Utf8Test, EverySequenceOfUpToThreeBytesIsJudgedByTheBook) {
  for (uint32_t bits = 0; bits < 1u << 24; bits += bits < 1u << 16 ? 1 : 61) {
    std::string text;
    if (bits >= 1u << 16) text.push_back(static_cast<char>(bits >> 16));
    if (bits >= 1u << 8) text.push_back(static_cast<char>(bits >> 8));
    text.push_back(static_cast<char>(bits));

    bool whole = Utf8SequenceLength(text) == text.size();
    ASSERT_EQ(whole, Decode(text).has_value()) << std::hex << bits;
  }
}

TEST(Utf8Test, FourByteSequencesEndAtTheLastPlane) {
  EXPECT_EQ(Utf8SequenceLength("\xf0\x90\x80\x80"), 4u);
  EXPECT_EQ(Utf8SequenceLength("\xf4\x8f\xbf\xbf"), 4u);
  EXPECT_EQ(Utf8SequenceLength("\xf0\x8f\xbf\xbf"), 0u);
  EXPECT_EQ(Utf8SequenceLength("\xf4\x90\x80\x80"), 0u);
  EXPECT_EQ(Utf8SequenceLength("\xf5\x80\x80\x80"), 0u);
  EXPECT_EQ(Utf8SequenceLength("\xf0\x9f\x94"), 0u);
}

TEST(Utf8Test, TextIsUtf8WhereAllOfItIs) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("plain"));
  EXPECT_TRUE(IsUtf8(std::string_view("nul \0 is a character", 20)));
  EXPECT_TRUE(IsUtf8("J\xc3\xbcrgen \xe2\x82\xac \xf0\x9f\x94\x94"));
  EXPECT_FALSE(IsUtf8("J\xfcrgen"));
  EXPECT_FALSE(IsUtf8("cut \xe2\x82"));
  EXPECT_FALSE(IsUtf8("\x80"));
}

}  // namespace
}  // namespace carillon
