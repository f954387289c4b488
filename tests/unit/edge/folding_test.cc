#include "gateway/edge/folding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace carillon::edge {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(FoldingTest, EveryNameOfACommandIsFoldedAndNothingElse) {
  dialect::Subscribe subscribe;
  subscribe.id = "\"ID\"";
  subscribe.streams = {"Chat", "chat", "Ä"};
  subscribe.wanted.streams["CHAT"].last = 7;
  subscribe.tokens["Held"] = "ToKen";
  subscribe.filter.events = {"Event"};
  dialect::Command command = subscribe;

  FoldNames(&command);

  const auto& folded = std::get<dialect::Subscribe>(command);
  EXPECT_EQ(folded.id, "\"ID\"");
  EXPECT_THAT(folded.streams, ElementsAre("chat", "chat", "Ä"));
  EXPECT_EQ(folded.wanted.Of("chat").last, 7u);
  EXPECT_THAT(folded.tokens, ElementsAre(Pair("held", "ToKen")));
  EXPECT_THAT(folded.filter.events, ElementsAre("Event"));
}

TEST(FoldingTest, OfTwoSpellingsOneCounts) {
  dialect::WantedByStream wanted;
  for (const char* name : {"CHAT", "Chat", "cHAT", "chat", "OLD", "Old"}) wanted.streams[name].last = 3;
  wanted.streams["chat"].last = 1;
  wanted.streams["Old"].last = 4;
  wanted.otherwise.last = 2;

  FoldNames(&wanted);

  EXPECT_EQ(wanted.streams.size(), 2u);
  EXPECT_EQ(wanted.Of("chat").last, 1u);
  EXPECT_EQ(wanted.Of("old").last, 4u);
  EXPECT_EQ(wanted.Of("Chat").last, 2u);
}

TEST(FoldingTest, EachKindThatNamesAStream) {
  auto fold = [](auto kind) {
    dialect::Command command = kind;
    FoldNames(&command);
    return std::get<decltype(kind)>(command);
  };
  EXPECT_THAT(fold(dialect::Unsubscribe{"", {"A"}}).streams, ElementsAre("a"));
  dialect::Publish publish;
  publish.stream = "A";
  publish.event = "E";
  EXPECT_EQ(fold(publish).stream, "a");
  EXPECT_EQ(fold(publish).event, "E");
  dialect::ListMembers members;
  members.stream = "A";
  members.after = "User";
  EXPECT_EQ(fold(members).stream, "a");
  EXPECT_EQ(fold(members).after, "User");
  dialect::SetMood mood;
  mood.stream = "A";
  EXPECT_EQ(fold(mood).stream, "a");
  dialect::Auth auth;
  auth.token = "T";
  auth.wanted.streams["A"].last = 1;
  EXPECT_EQ(fold(auth).wanted.Of("a").last, 1u);
  EXPECT_EQ(fold(auth).token, "T");
  EXPECT_EQ(fold(dialect::Ping{"", "\"P\""}).echo, "\"P\"");
}

}  // namespace
}  // namespace carillon::edge
