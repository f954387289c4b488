#include "gateway/hub/judge.h"

#include <gtest/gtest.h>

#include "tests/support/fake_session.h"
#include "tests/support/test_node.h"

namespace carillon::hub {
namespace {

using test::FakeSession;
using wire::SkipReason;

constexpr wire::WallClock::time_point kNow = wire::WallClock::time_point(std::chrono::hours(400'000));

class JudgeTest : public ::testing::Test {
 protected:
  std::optional<SkipReason> Judge(FakeSession& session, wire::Terms terms, const wire::Filter* filter = nullptr) {
    wire::FramePtr frame = test::MakeFrame("m", "chat", 0, std::make_shared<const wire::Terms>(std::move(terms)));
    return session.With([&](Session& s) { return WhyNot(*frame, s, filter, kNow); });
  }

  test::TestNode node_;
  FakeSession alice_{node_, 0, {.user = "alice", .streams = {"chat"}, .labels = {{"room", "5"}}, .roles = {"ops"}}};
  FakeSession nobody_{node_, 0, {}};
};

TEST_F(JudgeTest, WithoutTermsItIsForEveryone) {
  wire::FramePtr frame = test::MakeFrame("m");
  nobody_.With([&](Session& s) { EXPECT_EQ(WhyNot(*frame, s, nullptr, kNow), std::nullopt); });
}

TEST_F(JudgeTest, ASelectorWantsAllOfItsParts) {
  EXPECT_EQ(Judge(alice_, {.labels = {{"room", "5"}}}), std::nullopt);
  EXPECT_EQ(Judge(alice_, {.labels = {{"room", "6"}}}), SkipReason::kFiltered);
  EXPECT_EQ(Judge(alice_, {.labels = {{"room", "5"}, {"x", "y"}}}), SkipReason::kFiltered);
  EXPECT_EQ(Judge(alice_, {.user_ids = {"bob", "alice"}}), std::nullopt);
  EXPECT_EQ(Judge(alice_, {.user_ids = {"bob"}}), SkipReason::kFiltered);
  EXPECT_EQ(Judge(alice_, {.roles = {"admin", "ops"}}), std::nullopt);
  EXPECT_EQ(Judge(alice_, {.roles = {"admin"}}), SkipReason::kFiltered);
  EXPECT_EQ(Judge(alice_, {.labels = {{"room", "5"}}, .user_ids = {"alice"}, .roles = {"ops"}}), std::nullopt);
  EXPECT_EQ(Judge(alice_, {.labels = {{"room", "5"}}, .user_ids = {"bob"}, .roles = {"ops"}}), SkipReason::kFiltered);
}

TEST_F(JudgeTest, ASessionWithoutAnIdentityMatchesNoSelector) {
  EXPECT_EQ(Judge(nobody_, {.labels = {{"room", "5"}}}), SkipReason::kFiltered);
  EXPECT_EQ(Judge(nobody_, {.user_ids = {"alice"}}), SkipReason::kFiltered);
  EXPECT_EQ(Judge(nobody_, {.roles = {"ops"}}), SkipReason::kFiltered);
}

TEST_F(JudgeTest, WhoIsExcludedIsLeftOut) {
  EXPECT_EQ(Judge(alice_, {.excluded_users = {"alice"}}), SkipReason::kExcluded);
  EXPECT_EQ(Judge(alice_, {.excluded_users = {"bob"}}), std::nullopt);
  EXPECT_EQ(Judge(alice_, {.excluded_sessions = {alice_.id()}}), SkipReason::kExcluded);
  EXPECT_EQ(Judge(nobody_, {.excluded_sessions = {alice_.id()}, .excluded_users = {"alice"}}), std::nullopt);
}

TEST_F(JudgeTest, ASessionAnswersForThoseThatItResumes) {
  SessionId before{0, 42};
  EXPECT_EQ(Judge(nobody_, {.excluded_sessions = {before}}), std::nullopt);

  nobody_.With([&](Session& s) { s.SetResumes({SessionId{0, 41}, before}); });

  EXPECT_EQ(Judge(nobody_, {.excluded_sessions = {before}}), SkipReason::kExcluded);
}

TEST_F(JudgeTest, AUsersMessageOnAStreamIsForItsSubscribers) {
  EXPECT_EQ(Judge(alice_, {.stream_subscribers_only = true}), std::nullopt);
  EXPECT_EQ(Judge(nobody_, {.stream_subscribers_only = true}), SkipReason::kFiltered);
}

TEST_F(JudgeTest, WhatIsTooLateIsForNobody) {
  EXPECT_EQ(Judge(alice_, {.deliver_by = kNow}), SkipReason::kExpired);
  EXPECT_EQ(Judge(alice_, {.deliver_by = kNow + std::chrono::milliseconds(1)}), std::nullopt);
  // The log's business only.
  EXPECT_EQ(Judge(alice_, {.expires = kNow}), std::nullopt);
}

TEST_F(JudgeTest, TheSessionsOwnFilterComesLast) {
  wire::Filter filter{{"other"}, {}};
  EXPECT_EQ(Judge(alice_, {}, &filter), SkipReason::kFiltered);
  EXPECT_EQ(Judge(alice_, {.excluded_users = {"alice"}}, &filter), SkipReason::kExcluded);
}

}  // namespace
}  // namespace carillon::hub
