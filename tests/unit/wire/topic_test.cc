#include "gateway/wire/topic.h"

#include <gtest/gtest.h>

#include <unordered_set>

namespace carillon::wire {
namespace {

struct NameCase {
  std::string_view why;
  std::string name;
  bool good;
};

TEST(StreamNameTest, IsJudgedByTheTable) {
  const NameCase kCases[] = {
      {"a word", "chat", true},
      {"one byte", "a", true},
      {"every kind of character", "AZaz09._:-", true},
      {"128 bytes", std::string(128, 'x'), true},
      {"private", "private-room", true},
      {"ours in another case", "System", false},
      {"nearly ours", "system.", true},
      {"empty", "", false},
      {"129 bytes", std::string(129, 'x'), false},
      {"ours", "system", false},
      {"what clients see of a user's messages", "@user", false},
      {"what clients see of everyone's messages", "@all", false},
      {"a space", "a b", false},
      {"a slash", "a/b", false},
      {"a comma", "a,b", false},
      {"a wild card", "*", false},
      {"a line break", "chat\n", false},
      {"NUL", std::string("ch\0at", 5), false},
      {"not ASCII", "caf\xc3\xa9", false},
      {"a byte above ASCII", "\xff", false},
      {"DEL", "a\x7f", false},
  };

  for (const NameCase& c : kCases) {
    EXPECT_EQ(CheckStreamName(c.name).ok(), c.good) << c.why << ": " << c.name;
  }
}

TEST(StreamNameTest, EveryByteOutsideTheAlphabetIsRefused) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
  for (int byte = 0; byte < 256; ++byte) {
    std::string name = "a";
    name.push_back(static_cast<char>(byte));

    EXPECT_EQ(CheckStreamName(name).ok(), kAlphabet.find(static_cast<char>(byte)) != std::string_view::npos) << byte;
  }
}

TEST(UserIdTest, IsJudgedByTheTable) {
  const NameCase kCases[] = {
      {"a word", "alice", true},
      {"an address", "alice@example.com", true},
      {"spaces and marks", "Alice B. / \"the\" one, 1", true},
      {"not ASCII", "J\xc3\xbcrgen", true},
      {"256 bytes", std::string(256, 'x'), true},
      {"empty", "", false},
      {"257 bytes", std::string(257, 'x'), false},
      {"a line break", "alice\n", false},
      {"NUL", std::string("\0", 1), false},
      {"DEL", "a\x7f", false},
      {"escape", "\x1b[31m", false},
  };

  for (const NameCase& c : kCases) EXPECT_EQ(CheckUserId(c.name).ok(), c.good) << c.why;
}

TEST(NeedsIdentityTest, GoesByThePrefix) {
  EXPECT_TRUE(NeedsIdentity("private-room"));
  EXPECT_TRUE(NeedsIdentity("presence-room"));
  EXPECT_TRUE(NeedsIdentity("private-"));
  EXPECT_FALSE(NeedsIdentity("private"));
  EXPECT_FALSE(NeedsIdentity("Private-room"));
  EXPECT_FALSE(NeedsIdentity("my-private-room"));
  EXPECT_FALSE(NeedsIdentity(""));
}

TEST(TopicTest, AppsKindsAndNamesKeepTopicsApart) {
  const TopicView kViews[] = {
      {0, TopicKind::kStream, "alice"}, {0, TopicKind::kUser, "alice"},   {0, TopicKind::kSession, "alice"},
      {1, TopicKind::kStream, "alice"}, {0, TopicKind::kStream, "Alice"}, {0, TopicKind::kEveryone, ""},
      {1, TopicKind::kEveryone, ""},    {0, TopicKind::kStream, ""},
  };
  std::unordered_set<size_t> hashes;
  for (const TopicView& a : kViews) {
    hashes.insert(HashOf(a));
    for (const TopicView& b : kViews) EXPECT_EQ(a == b, &a == &b);
  }
  EXPECT_EQ(hashes.size(), std::size(kViews));
}

TEST(TopicTest, AnOwnedTopicIsItsView) {
  std::string name = "chat";
  TopicView view{3, TopicKind::kStream, name};

  Topic topic(view);
  name = "gone";

  EXPECT_EQ(TopicView(topic), (TopicView{3, TopicKind::kStream, "chat"}));
  EXPECT_EQ(HashOf(topic), HashOf({3, TopicKind::kStream, "chat"}));
}

}  // namespace
}  // namespace carillon::wire
