#include "gateway/auth/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace carillon::auth {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Optional;

Identity Alice() {
  Identity identity;
  identity.user_id = "alice";
  identity.labels = {{"workspace", "w1"}, {"none", ""}, {"curly", "{user}"}, {"comma", "a,private-b"}};
  return identity;
}

TEST(ExpandTest, NamesAreReplaced) {
  EXPECT_THAT(Expand("workspace-{workspace}", Alice()), Optional(std::string("workspace-w1")));
  EXPECT_THAT(Expand("{user}:{workspace}.x", Alice()), Optional(std::string("alice:w1.x")));
  EXPECT_THAT(Expand("plain", Alice()), Optional(std::string("plain")));
  EXPECT_THAT(Expand("", Alice()), Optional(std::string()));
}

TEST(ExpandTest, WhatIsPutInIsNotLookedAtAgain) {
  EXPECT_THAT(Expand("x-{curly}", Alice()), Optional(std::string("x-{user}")));
}

// "workspace-" would be one audience for everybody who has none.
TEST(ExpandTest, WithoutTheLabelThereIsNothing) {
  EXPECT_EQ(Expand("workspace-{other}", Alice()), std::nullopt);
  EXPECT_EQ(Expand("workspace-{none}", Alice()), std::nullopt);
  EXPECT_EQ(Expand("workspace-{comma}", Alice()), std::nullopt) << "it would be two streams";
  EXPECT_EQ(Expand("workspace-{open", Alice()), std::nullopt);
}

TEST(ExpandTest, BracesMustPair) {
  EXPECT_THAT(PatternProblem("workspace-{workspace}"), IsEmpty());
  EXPECT_THAT(PatternProblem("{a}{b}"), IsEmpty());
  EXPECT_THAT(PatternProblem("a{b"), HasSubstr("without a }"));
  EXPECT_THAT(PatternProblem("a}b"), HasSubstr("without a {"));
  EXPECT_THAT(PatternProblem("{a{b}}"), Not(IsEmpty()));
  EXPECT_THAT(PatternProblem("x{}"), HasSubstr("without a name"));
}

}  // namespace
}  // namespace carillon::auth
