#include "gateway/engine/stream_rules.h"

#include <gtest/gtest.h>

namespace carillon::engine {
namespace {

TopicRule Rule(LogMode mode, SlowPolicy slow = SlowPolicy::kDisconnect) {
  TopicRule rule;
  rule.log.mode = mode;
  rule.slow = slow;
  return rule;
}

TEST(StreamRulesTest, TheFirstPatternThatMatchesCounts) {
  StreamRules rules({{"chat-vip", Rule(LogMode::kLatest)},
                     {"chat-*", Rule(LogMode::kLog)},
                     {"price.??", Rule(LogMode::kNone, SlowPolicy::kConflate)}},
                    {});
  auto find = [&](std::string_view name) -> const TopicRule& {
    return rules.Find({0, wire::TopicKind::kStream, name});
  };

  EXPECT_EQ(find("chat-vip").log.mode, LogMode::kLatest);
  EXPECT_EQ(find("chat-vip").log.messages, 1u);
  EXPECT_EQ(find("chat-5").log.mode, LogMode::kLog);
  EXPECT_EQ(find("price.eu").slow, SlowPolicy::kConflate);
  EXPECT_EQ(find("price.eur").slow, SlowPolicy::kDisconnect);
  EXPECT_FALSE(find("chat").logged());
}

TEST(StreamRulesTest, UsersHaveTheInboxAndNobodyElseALog) {
  LogRule inbox;
  inbox.mode = LogMode::kLog;
  StreamRules rules({{"*", Rule(LogMode::kLatest)}}, inbox);

  EXPECT_EQ(rules.Find({0, wire::TopicKind::kUser, "alice"}).log.mode, LogMode::kLog);
  EXPECT_FALSE(rules.Find({0, wire::TopicKind::kSession, "s"}).logged());
  EXPECT_FALSE(rules.Find({0, wire::TopicKind::kEveryone, ""}).logged());
}

TEST(StreamRulesTest, WithoutRulesNothingIsKept) {
  StreamRules rules;

  EXPECT_FALSE(rules.Find({0, wire::TopicKind::kStream, "chat"}).logged());
  EXPECT_FALSE(rules.Find({0, wire::TopicKind::kUser, "alice"}).logged());
}

}  // namespace
}  // namespace carillon::engine
