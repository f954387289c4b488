#include "gateway/wire/json_members.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace carillon::wire {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

std::vector<std::pair<std::string, std::string>> Split(std::string_view text, size_t most = 100) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const JsonMember& member : MembersOf(text, most)) pairs.emplace_back(member.name, member.value);
  return pairs;
}

TEST(JsonMembersTest, ValuesStandAsTheyStood) {
  EXPECT_THAT(Split(R"({"a":1,"b":[1,{"c":2}],"d":{"e":"}"},"f":1e5})"),
              ElementsAre(Pair("a", "1"), Pair("b", R"([1,{"c":2}])"), Pair("d", R"({"e":"}"})"), Pair("f", "1e5")));
}

TEST(JsonMembersTest, SpacesDoNotMatter) {
  EXPECT_THAT(Split(" { \"a\" : 1 ,\n\"b\"\t: [ 1 , 2 ] } "), ElementsAre(Pair("a", "1"), Pair("b", "[ 1 , 2 ]")));
}

TEST(JsonMembersTest, NamesAreUnescaped) {
  EXPECT_THAT(Split(R"({"to\u006ben":"a\"b,c:d","x\\":"\\"})"),
              ElementsAre(Pair("token", R"("a\"b,c:d")"), Pair("x\\", R"("\\")")));
}

TEST(JsonMembersTest, OnlyObjectsHaveMembers) {
  for (std::string_view text : {"null", "1", "[1,2]", R"("{\"a\":1}")", "{}", " { } "}) {
    EXPECT_THAT(Split(text), ElementsAre()) << text;
  }
}

TEST(JsonMembersTest, NoMoreThanWanted) {
  EXPECT_THAT(Split(R"({"a":1,"b":2,"c":3})", 2), ElementsAre(Pair("a", "1"), Pair("b", "2")));
}

TEST(JsonMembersTest, Types) {
  EXPECT_EQ(JsonTypeOf("{}"), "object");
  EXPECT_EQ(JsonTypeOf(" []"), "array");
  EXPECT_EQ(JsonTypeOf("\"\""), "string");
  EXPECT_EQ(JsonTypeOf("-1"), "number");
  EXPECT_EQ(JsonTypeOf("true"), "boolean");
  EXPECT_EQ(JsonTypeOf("false"), "boolean");
  EXPECT_EQ(JsonTypeOf("null"), "null");
}

TEST(JsonMembersTest, Unquoted) {
  EXPECT_EQ(Unquoted(R"("a\n")"), "a\n");
  EXPECT_EQ(Unquoted("17"), "17");
}

}  // namespace
}  // namespace carillon::wire
