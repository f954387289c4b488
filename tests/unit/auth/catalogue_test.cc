#include "gateway/auth/catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace carillon::auth {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::Pair;
using Who = Access::Who;

Identity Alice() {
  Identity identity;
  identity.user_id = "alice";
  identity.roles = {"agent"};
  identity.labels = {{"workspace", "w1"}};
  identity.streams = {"granted-1"};
  return identity;
}

// Who may: "a" for an anonymous session, "i" for one with a user, "g" where the user's token grants the stream.
std::string Admitted(const Access& access, const std::string& stream) {
  Identity alice = Alice();
  Identity other;
  other.user_id = "bob";
  std::string who;
  if (access.Allows(stream, nullptr, false)) who += "a";
  if (access.Allows(stream, &other, false)) who += "b";
  if (access.Allows(stream, &alice, false)) who += "A";
  if (access.Allows(stream, &other, true)) who += "g";
  return who;
}

TEST(AccessTest, WhoMay) {
  struct Case {
    Access access;
    std::string stream;
    std::string admitted;  // a: anonymous, b: bob, A: alice with the role agent, g: bob with a grant
  };
  const Case kCases[] = {
      {{Who::kByName, {}, {}}, "chat", "abAg"},
      {{Who::kByName, {}, {}}, "private-x", "bAg"},
      {{Who::kByName, {}, {}}, "presence-x", "bAg"},
      {{Who::kByName, {}, {}}, "privateer", "abAg"},
      {{Who::kAnyone, {}, {}}, "private-x", "abAg"},
      {{Who::kIdentified, {}, {}}, "chat", "bAg"},
      {{Who::kGranted, {}, {}}, "chat", "g"},
      {{Who::kNobody, {}, {}}, "chat", ""},
      {{Who::kByName, {"agent"}, {}}, "chat", "Ag"},
      {{Who::kByName, {"agent"}, {}}, "private-x", "Ag"},
      {{Who::kByName, {"admin", "agent"}, {}}, "chat", "Ag"},
      {{Who::kByName, {"admin"}, {}}, "chat", "g"},
      {{Who::kGranted, {"agent"}, {}}, "chat", "Ag"},
      {{Who::kByName, {}, {"user-{user}"}}, "user-alice", "Ag"},
      {{Who::kByName, {}, {"user-{user}"}}, "user-bob", "bg"},
      {{Who::kByName, {}, {"user-{user}"}}, "user-", "g"},
      {{Who::kByName, {}, {"user-{user}", "ws-{workspace}"}}, "ws-w1", "Ag"},
      {{Who::kByName, {"agent"}, {"user-{user}"}}, "user-bob", "bAg"},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(Admitted(c.access, c.stream), c.admitted)
        << static_cast<int>(c.access.who) << " " << c.stream << " " << c.access.roles.size() << c.access.owners.size();
  }
}

TEST(CatalogueTest, TheFirstRuleThatMatchesCounts) {
  StreamAccess reserved;
  reserved.pattern = "ssh";
  reserved.reserved = true;
  StreamAccess all;
  all.pattern = "*s*";
  all.subscribe.who = Who::kNobody;
  Catalogue catalogue({reserved, all});

  EXPECT_TRUE(catalogue.Find("ssh").reserved);
  EXPECT_FALSE(catalogue.Find("news").reserved);
  EXPECT_EQ(catalogue.Find("news").subscribe.who, Who::kNobody);
  EXPECT_EQ(catalogue.Find("chat").subscribe.who, Who::kByName);
}

TEST(CatalogueTest, WithoutARuleClientsPublishNothing) {
  EXPECT_EQ(Admitted(Catalogue().Find("chat").publish, "chat"), "");
}

TEST(CatalogueTest, AFilterIsMadeOfWhatTheTokenSays) {
  StreamAccess access;
  Identity alice = Alice();
  EXPECT_THAT(access.FilterFor(nullptr), Optional(IsEmpty()));

  access.filter = {{"workspace", "{workspace}"}, {"for", "user:{user}"}};
  EXPECT_THAT(access.FilterFor(&alice), Optional(ElementsAre(Pair("for", "user:alice"), Pair("workspace", "w1"))));
  EXPECT_EQ(access.FilterFor(nullptr), std::nullopt);
  alice.labels.clear();
  EXPECT_EQ(access.FilterFor(&alice), std::nullopt);

  access.filter = {{"public", "yes"}};
  EXPECT_THAT(access.FilterFor(nullptr), Optional(ElementsAre(Pair("public", "yes"))));
}

TEST(CatalogueTest, EventsAreFoundByNameOrBeginning) {
  StreamAccess access;
  EXPECT_NE(access.FindEvent("anything"), nullptr);

  access.events = {{"typing.start", {5, std::chrono::seconds(5)}}, {"typing.*", {}}, {"note", {}}};
  EXPECT_EQ(access.FindEvent("typing.start")->rate.count, 5u);
  EXPECT_EQ(access.FindEvent("typing.stop")->event, "typing.*");
  EXPECT_EQ(access.FindEvent("note")->event, "note");
  EXPECT_EQ(access.FindEvent("notes"), nullptr);
  EXPECT_EQ(access.FindEvent("typing"), nullptr);
}

TEST(RateTest, IsSoManyInSoLong) {
  auto ms = [](std::string_view text) { return Rate::Parse(text)->window.count(); };
  EXPECT_EQ(Rate::Parse("5/5s")->count, 5u);
  EXPECT_EQ(ms("5/5s"), 5000);
  EXPECT_EQ(ms("1/250ms"), 250);
  EXPECT_EQ(ms("100/1m"), 60'000);
  EXPECT_EQ(ms("1/24h"), 86'400'000);
  for (const char* bad : {"",
                          "5",
                          "/",
                          "5/",
                          "/5s",
                          "0/5s",
                          "5/0s",
                          "5/5",
                          "5/s",
                          "-1/5s",
                          "5/-5s",
                          "5/5 s",
                          " 5/5s",
                          "5/5s ",
                          "5/5d",
                          "5/25h",
                          "99999999999/1s",
                          "1/99999999999s",
                          "5/5/5s",
                          "5.0/5s"}) {
    EXPECT_EQ(Rate::Parse(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace carillon::auth
