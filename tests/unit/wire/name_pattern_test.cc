#include "gateway/wire/name_pattern.h"

#include <gtest/gtest.h>

namespace carillon::wire {
namespace {

TEST(NamePatternTest, PatternsAreThoseOfAShell) {
  const std::pair<const char*, const char*> kMatch[] = {
      {"*", "chat"},          {"*", ""},      {"chat", "chat"},         {"chat-*", "chat-"},
      {"chat-*", "chat-a-b"}, {"?", "a"},     {"room-[0-9]", "room-7"}, {"*-vip", "chat-vip"},
      {"a.b:*", "a.b:c"},     {"[!a]b", "xb"}};
  for (auto [pattern, name] : kMatch) EXPECT_TRUE(MatchesPattern(pattern, name)) << pattern << " " << name;
  const std::pair<const char*, const char*> kOther[] = {{"chat", "chats"},  {"chat-*", "chat"},       {"?", ""},
                                                        {"?", "ab"},        {"room-[0-9]", "room-a"}, {"Chat", "chat"},
                                                        {"chat", "a-chat"}, {"[!a]b", "ab"}};
  for (auto [pattern, name] : kOther) EXPECT_FALSE(MatchesPattern(pattern, name)) << pattern << " " << name;
}

TEST(NamePatternTest, APatternHoldsWhatNamesHoldAndWhatStandsForIt) {
  for (const char* good : {"*", "chat", "chat-*", "a.b_c:d-e", "[a-z]?", "[!a]*", "[^a]"}) {
    EXPECT_EQ(PatternProblem(good), "") << good;
  }
  for (const std::string& bad : {std::string(), std::string("a b"), std::string("a/b"), std::string("caf\xC3\xA9"),
                                 std::string("[a"), std::string("{a}"), std::string(129, 'a')}) {
    EXPECT_NE(PatternProblem(bad), "") << bad;
  }
}

}  // namespace
}  // namespace carillon::wire
