#include "gateway/wire/json_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/support/seed.h"

namespace carillon::wire {
namespace {

using ::testing::HasSubstr;

std::string Nested(int depth, std::string_view open, std::string_view inside, std::string_view close) {
  std::string text;
  for (int i = 0; i < depth; ++i) text.append(open);
  text.append(inside);
  for (int i = 0; i < depth; ++i) text.append(close);
  return text;
}

TEST(JsonCheckTest, TakesEveryJsonValue) {
  for (std::string_view text : {
           "null",
           "true",
           "false",
           "0",
           "-0",
           "1",
           "-1.5e-10",
           "1E+400",
           "123456789012345678901234567890",
           R"("")",
           R"("a\u00e9\ud83d\udd14\"\\\/\b\f\n\r\t")",
           "\"caf\xc3\xa9 \xf0\x9f\x94\x94\"",
           "[]",
           "{}",
           R"([1,"a",null,{"b":[]}])",
           R"({"a":1,"b":{"c":2}})",
           " \t\r\n1 \t\r\n",
           "\"\x7f\"",
           R"({"twice":1,"twice":2})",  // duplicates are the sender's affair
           R"({"":0})",
       }) {
    Status status = CheckJson(text);
    EXPECT_TRUE(status.ok()) << text << ": " << MessageOf(status);
  }
}

TEST(JsonCheckTest, RefusesEverythingElse) {
  const std::string kBad[] = {
      "",
      " ",
      "nul",
      "True",
      "NaN",
      "Infinity",
      "-",
      "+1",
      "01",
      "1.",
      ".5",
      "1e",
      "0x10",
      "'a'",
      "\"a",
      "\"a\nb\"",
      std::string("\"a\0b\"", 5),
      R"("\x41")",
      R"("\u12")",
      R"("\ud800")",  // half of a pair
      R"("\ud800\u0041")",
      R"("\udc00")",
      "\"\xff\"",
      "\"\xc3\"",
      "\"\xc0\xaf\"",      // overlong
      "\"\xed\xa0\x80\"",  // a surrogate
      "\"\xf4\x90\x80\x80\"",
      "\xef\xbb\xbf"
      "1",  // a byte order mark
      "[1,]",
      "[,1]",
      "[1 2]",
      "[",
      "]",
      "{\"a\"}",
      "{\"a\":}",
      "{\"a\":1,}",
      "{a:1}",
      "{1:1}",
      "/* c */ 1",
      "1 // c",
      "1 1",
      "{}{}",
      "null,",
      std::string("1\0", 2),
  };
  for (const std::string& text : kBad) EXPECT_FALSE(CheckJson(text).ok()) << text;
}

TEST(JsonCheckTest, SaysWhereItGoesWrong) {
  EXPECT_THAT(MessageOf(CheckJson(R"({"a":1,"b":!})")), HasSubstr("byte 11"));
  EXPECT_THAT(MessageOf(CheckJson("{} {}")), HasSubstr("more text follows at byte 3"));
}

TEST(JsonCheckTest, NestsThirtyTwoDeepAndNoDeeper) {
  EXPECT_TRUE(CheckJson(Nested(32, "[", "", "]")).ok());
  EXPECT_TRUE(CheckJson(Nested(32, "[", "1", "]")).ok());
  EXPECT_TRUE(CheckJson(Nested(32, "{\"a\":", "1", "}")).ok());
  EXPECT_FALSE(CheckJson(Nested(33, "[", "", "]")).ok());
  EXPECT_FALSE(CheckJson(Nested(33, "{\"a\":", "1", "}")).ok());
  EXPECT_FALSE(CheckJson(Nested(17, "[{\"a\":", "[]", "}]")).ok());
}

TEST(JsonCheckTest, DepthIsNotLengthAndBreadthIsFree) {
  std::string flat = "[";
  for (int i = 0; i < 20000; ++i) flat.append("[],");
  flat.append("{}]");

  EXPECT_TRUE(CheckJson(flat).ok());
  EXPECT_FALSE(CheckJson(std::string(1'000'000, '[')).ok());
}

TEST(JsonCheckTest, HoldsLongKeysAndStrings) {
  std::string long_text(300'000, 'x');

  EXPECT_TRUE(CheckJson("{\"" + long_text + "\":\"" + long_text + "\"}").ok());
}

TEST(JsonCheckTest, AgreesWithTheParserThatBuildsValues) {
  test::Random random;
  boost::json::parse_options options;
  options.max_depth = kMaxJsonDepth;
  int good = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = random.OneIn(3) ? random.Text(random.Below(12), "[]{}\",:0-1e.\\ untrfalse")
                                       : random.Mutated(R"({"a":[1,-2.5e3,"x\u00e9",true,null],"b":{}})");
    boost::json::error_code error;
    boost::json::parse(text, error, {}, options);

    ASSERT_EQ(CheckJson(text).ok(), !error) << text;
    good += error ? 0 : 1;
  }
  EXPECT_GT(good, 0);
}

TEST(JsonCheckTest, MembersAreNamedOnce) {
  for (std::string_view good :
       {"1", "[]", "{}", R"({"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]})", R"({"":1,"x":{"":1}})"}) {
    EXPECT_TRUE(CheckUniqueMembers(good).ok()) << good;
  }
  for (std::string_view bad :
       {R"({"a":1,"a":1})", R"({"a":1,"\u0061":1})", R"({"x":{"a":1,"b":2,"a":3}})", R"([{"a":1},{"":1,"":2}])"}) {
    EXPECT_FALSE(CheckUniqueMembers(bad).ok()) << bad;
  }
  EXPECT_FALSE(CheckUniqueMembers("{").ok());
}

}  // namespace
}  // namespace carillon::wire
