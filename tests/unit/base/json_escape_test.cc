#include "gateway/base/json_escape.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/support/seed.h"

namespace carillon {
namespace {

std::string Escaped(std::string_view text) {
  std::string out;
  AppendJsonString(out, text);
  return out;
}

constexpr char kReplaced[] = "\"\xEF\xBF\xBD\"";

TEST(JsonEscapeTest, PlainTextIsOnlyQuoted) {
  EXPECT_EQ(Escaped(""), R"("")");
  EXPECT_EQ(Escaped("chat.room:1 /~"), R"("chat.room:1 /~")");
}

TEST(JsonEscapeTest, AppendsToWhatIsThere) {
  std::string out = "[1,";

  AppendJsonString(out, "a");

  EXPECT_EQ(out, R"([1,"a")");
}

TEST(JsonEscapeTest, QuotesAndControlsAreEscaped) {
  EXPECT_EQ(Escaped("say \"hi\"\\"), R"("say \"hi\"\\")");
  EXPECT_EQ(Escaped("a\nb\rc\td"), R"("a\nb\rc\td")");
  EXPECT_EQ(Escaped(std::string_view("\0\x01\x1f\x7f", 4)), R"("\u0000\u0001\u001f\u007f")");
}

TEST(JsonEscapeTest, WellFormedUtf8Passes) {
  for (std::string_view text : {"\xc2\xa0", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
                                "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
                                "Gl\xc3\xbc"
                                "ck \xf0\x9f\x94\x94"}) {
    EXPECT_EQ(Escaped(text), '"' + std::string(text) + '"');
  }
}

// By their numbers: C1 controls, marks that turn the direction of text, ends of lines.
TEST(JsonEscapeTest, WhatATerminalWouldObeyIsEscaped) {
  auto utf8 = [](unsigned point) {
    if (point < 0x80) return std::string(1, static_cast<char>(point));
    if (point < 0x800)
      return std::string{static_cast<char>(0xC0 | point >> 6), static_cast<char>(0x80 | (point & 0x3F))};
    return std::string{static_cast<char>(0xE0 | point >> 12), static_cast<char>(0x80 | (point >> 6 & 0x3F)),
                       static_cast<char>(0x80 | (point & 0x3F))};
  };
  for (unsigned point = 0x80; point < 0x10000; ++point) {
    if (point >= 0xD800 && point < 0xE000) continue;
    bool obeyed = point < 0xA0 || point == 0x61C || point == 0x200E || point == 0x200F ||
                  (point >= 0x2028 && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
    std::string text = utf8(point);
    EXPECT_EQ(IsObeyed(text), obeyed) << point;
    char escape[8];
    std::snprintf(escape, sizeof escape, "\\u%04x", point);
    EXPECT_EQ(Escaped("a" + text + "b"), obeyed ? "\"a" + std::string(escape) + "b\"" : "\"a" + text + "b\"");
    EXPECT_EQ(boost::json::parse(Escaped(text)), boost::json::value(text));
  }
}

TEST(JsonEscapeTest, EachByteThatIsNoUtf8IsReplaced) {
  EXPECT_EQ(Escaped("\x80"), kReplaced);  // a tail without a lead
  EXPECT_EQ(Escaped("\xff"), kReplaced);
  EXPECT_EQ(Escaped("\xc3"), kReplaced);               // cut short
  EXPECT_EQ(Escaped("\xc0\xaf").size(), 8u);           // overlong: two bytes, two replacements
  EXPECT_EQ(Escaped("\xe0\x80\xaf").size(), 11u);      // overlong
  EXPECT_EQ(Escaped("\xed\xa0\x80").size(), 11u);      // a surrogate
  EXPECT_EQ(Escaped("\xf4\x90\x80\x80").size(), 14u);  // beyond U+10FFFF
  EXPECT_EQ(Escaped("a\xe2\x82z"), "\"a\xEF\xBF\xBD\xEF\xBF\xBDz\"");
}

TEST(JsonEscapeTest, WhateverComesInTheResultIsOneJsonString) {
  test::Random random;
  for (int i = 0; i < 5000; ++i) {
    std::string text = random.OneIn(2) ? random.Bytes(random.Below(40))
                                       : random.Mutated("plain \xc3\xbc \xe2\x82\xac \xf0\x9f\x94\x94 \" \\ \n");

    std::string escaped = Escaped(text);

    boost::json::error_code error;
    boost::json::value value = boost::json::parse(escaped, error);
    ASSERT_FALSE(error) << escaped;
    ASSERT_TRUE(value.is_string());
    ASSERT_EQ(escaped.find('\n'), std::string::npos);
  }
}

TEST(JsonEscapeTest, AsciiComesBackAsItWent) {
  test::Random random;
  for (int i = 0; i < 1000; ++i) {
    std::string text = random.Bytes(random.Below(60));
    for (char& c : text) c = static_cast<char>(c & 0x7F);

    boost::json::value value = boost::json::parse(Escaped(text));

    ASSERT_EQ(std::string_view(value.get_string()), text);
  }
}

}  // namespace
}  // namespace carillon
