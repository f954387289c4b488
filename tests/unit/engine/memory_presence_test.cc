#include "gateway/engine/memory_presence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <map>
#include <set>

#include "tests/support/seed.h"

namespace carillon::engine {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr wire::TopicView kRoom{0, wire::TopicKind::kStream, "presence-room"};

SessionId Session(uint64_t key) {
  return {0, key};
}

// What was published, a word each: "join ann", "leave ann", "update ann away", "count 3 only".
class Book {
 public:
  explicit Book(PresenceRule rule = {})
      : presence([this](auto&, auto frame) { return Publish(*frame); }, feed, [this] { return now; }) {
    this->rule.presence = rule;
  }

  void Enter(const std::string& user, uint64_t session, std::string_view name = "", std::string_view info = "",
             int as_of = 0) {
    presence.Enter(kRoom, rule, Session(session), {user, name, info, wire::WallClock::time_point(seconds(as_of))});
  }
  void Leave(const std::string& user, uint64_t session, Leaving leaving = Leaving::kForGood) {
    presence.Leave(kRoom, Session(session), user, leaving);
  }
  Status Mood(const std::string& user, wire::Availability availability, std::string text = "") {
    return presence.SetMood(kRoom, user, {availability, std::move(text)});
  }
  void Pass(milliseconds time) {
    now += time;
    presence.Sweep();
  }
  std::vector<std::string> Said() { return std::exchange(said, {}); }
  std::vector<std::string> There() const {
    std::vector<std::string> users;
    for (const wire::Member& member : presence.List(kRoom, "", 1000, true).page) users.push_back(member.user_id);
    return users;
  }

  TopicRule rule;
  MemoryPresence::Clock::time_point now{seconds(1000)};
  bool refuses = false;
  std::vector<std::string> said;
  std::vector<std::string> data;
  std::function<void(const std::string& event, const json::object& data)> hears = [](auto&, auto&) {};
  // As "JOINED ann 1".
  std::vector<std::string> recorded;
  Feed feed{[this](auto&, auto frame) {
              v1::FeedEvent event = EventOf(*frame);
              bool joined = event.kind() == v1::EVENT_KIND_MEMBER_JOINED;
              recorded.push_back(
                  fmt::format("{} {} {}", joined ? "JOINED" : "LEFT", event.user_id(), event.member().count()));
            },
            [](wire::AppId) {}};
  MemoryPresence presence;

 private:
  bool Publish(const wire::Frame& frame) {
    if (refuses) return false;
    const v1::Envelope& envelope = frame.envelope();
    EXPECT_EQ(envelope.stream(), kRoom.name);
    std::string event = envelope.event().substr(std::string("presence.").size());
    json::object object = json::parse(envelope.json()).as_object();
    data.push_back(envelope.json());
    hears(event, object);
    std::string word = event;
    if (event == "count") {
      word += " " + json::serialize(object.at("count")) + (object.at("counts_only").as_bool() ? " only" : "");
    } else {
      word += " " + std::string(object.at("user").at("id").as_string());
    }
    if (event == "update") word += " " + std::string(object.at("status").as_string());
    said.push_back(word);
    return true;
  }
};

TEST(MemoryPresenceTest, AUserIsThereFromTheFirstSessionToTheLast) {
  Book book;

  book.Enter("ann", 1);
  book.Enter("ann", 2);
  book.Enter("ann", 2);
  book.Enter("bob", 3);
  EXPECT_THAT(book.Said(), ElementsAre("join ann", "join bob"));
  EXPECT_THAT(book.There(), ElementsAre("ann", "bob"));

  book.Leave("ann", 1);
  book.Leave("ann", 1);
  EXPECT_THAT(book.Said(), IsEmpty());
  book.Leave("ann", 2);
  EXPECT_THAT(book.Said(), ElementsAre("leave ann"));
  EXPECT_THAT(book.There(), ElementsAre("bob"));
}

TEST(MemoryPresenceTest, EventsSayWhoAndHowMany) {
  Book book;
  book.Enter("ann", 1, "Ann \"A\"", R"({"avatar":"a.png"})");
  json::value joined = json::parse(book.data.back());
  book.Leave("ann", 1);
  json::value left = json::parse(book.data.back());

  EXPECT_EQ(joined.at("user"), json::parse(R"({"id":"ann","name":"Ann \"A\"","info":{"avatar":"a.png"}})"));
  EXPECT_EQ(joined.at("status"), "online");
  EXPECT_EQ(joined.at("text"), "");
  EXPECT_EQ(joined.at("count"), 1);
  EXPECT_GT(joined.at("since").as_int64(), 1'700'000'000'000);
  EXPECT_EQ(left, json::parse(R"({"user":{"id":"ann","name":"Ann \"A\""},"count":0})"));
}

// Backends are told at once and of everybody, also where subscribers have to wait or hear counts alone.
TEST(MemoryPresenceTest, TheFeedHasEveryUserOnce) {
  Book book({PresenceRule::Mode::kOn, seconds(10), 1});
  book.Enter("early", 9);
  book.feed.Begin(0);
  book.refuses = true;
  book.Enter("ann", 1);
  book.Enter("ann", 2);
  book.Enter("bob", 3);
  book.Leave("ann", 1);
  book.Leave("ann", 2, Leaving::kPerhaps);
  book.Enter("ann", 4);
  book.Leave("ann", 4, Leaving::kPerhaps);
  book.now += seconds(11);
  book.presence.Sweep();
  book.presence.EndGrace(0, "bob");
  book.Leave("bob", 3);
  EXPECT_THAT(book.recorded, ElementsAre("JOINED ann 2", "JOINED bob 3", "LEFT ann 2", "LEFT bob 1"));
}

TEST(MemoryPresenceTest, WhoseConnectionBreaksStaysForTheGrace) {
  Book book;
  book.Enter("ann", 1);
  book.Said();

  book.Leave("ann", 1, Leaving::kPerhaps);
  book.Pass(milliseconds(9'999));
  EXPECT_THAT(book.There(), ElementsAre("ann"));
  EXPECT_EQ(book.presence.List(kRoom, "", 1, true).page[0].sessions, 0u);
  book.Enter("ann", 2);
  book.Pass(seconds(60));
  EXPECT_THAT(book.Said(), IsEmpty());

  book.Leave("ann", 2, Leaving::kPerhaps);
  book.Pass(seconds(10));
  EXPECT_THAT(book.Said(), ElementsAre("leave ann"));
  EXPECT_THAT(book.There(), IsEmpty());
}

TEST(MemoryPresenceTest, EachBreakBeginsItsOwnGrace) {
  Book book;
  book.Enter("ann", 1);
  book.Leave("ann", 1, Leaving::kPerhaps);
  book.Pass(seconds(6));
  book.Enter("ann", 2);
  book.Leave("ann", 2, Leaving::kPerhaps);

  book.Pass(seconds(6));  // twelve after the first
  EXPECT_THAT(book.There(), ElementsAre("ann"));
  book.Pass(seconds(4));
  EXPECT_THAT(book.There(), IsEmpty());
}

TEST(MemoryPresenceTest, AGoodbyeOfOneTabDoesNotEndTheGraceOfAnother) {
  Book book;
  book.Enter("ann", 1);
  book.Enter("ann", 2);
  book.Leave("ann", 2, Leaving::kPerhaps);
  book.Pass(seconds(4));
  book.Leave("ann", 1);
  book.Pass(seconds(5));
  EXPECT_THAT(book.There(), ElementsAre("ann"));
  book.Pass(seconds(1));
  EXPECT_THAT(book.Said(), ElementsAre("join ann", "leave ann"));

  book.Enter("ann", 1);
  book.Enter("ann", 2);
  book.Leave("ann", 2, Leaving::kPerhaps);
  book.presence.EndGrace(0, "ann");
  book.Leave("ann", 1);
  EXPECT_THAT(book.There(), IsEmpty());
}

TEST(MemoryPresenceTest, WithoutGraceNobodyStays) {
  Book book({PresenceRule::Mode::kOn, milliseconds(0), 200});
  book.Enter("ann", 1);
  book.Leave("ann", 1, Leaving::kPerhaps);

  EXPECT_THAT(book.Said(), ElementsAre("join ann", "leave ann"));
}

TEST(MemoryPresenceTest, WhatUsersSayOfThemselvesLastsOverTheGraceAndNoLonger) {
  Book book;
  book.Enter("ann", 1);
  EXPECT_TRUE(book.Mood("ann", wire::Availability::kAway, "lunch").ok());
  EXPECT_TRUE(book.Mood("ann", wire::Availability::kAway, "lunch").ok());  // nothing new
  EXPECT_THAT(book.Said(), ElementsAre("join ann", "update ann away"));

  book.Leave("ann", 1, Leaving::kPerhaps);
  book.Enter("ann", 2);
  wire::Member member = book.presence.List(kRoom, "", 1, true).page[0];
  EXPECT_EQ(member.mood, (wire::Mood{wire::Availability::kAway, "lunch"}));

  book.Leave("ann", 2);
  EXPECT_TRUE(absl::IsNotFound(book.Mood("ann", wire::Availability::kBusy)));
  book.Enter("ann", 3);
  EXPECT_EQ(book.presence.List(kRoom, "", 1, true).page[0].mood, wire::Mood());
}

TEST(MemoryPresenceTest, ANewerTokenThatSaysSomethingElseIsAnUpdate) {
  Book book;
  book.Enter("ann", 1, "Ann");
  book.Enter("ann", 1, "Anna", "1");
  book.Enter("ann", 1, "Anna", "1");

  EXPECT_THAT(book.Said(), ElementsAre("join ann", "update ann online"));
  EXPECT_EQ(book.presence.List(kRoom, "", 1, true).page[0].name, "Anna");
}

TEST(MemoryPresenceTest, AnOlderTokenOfAnotherTabSaysNothing) {
  Book book;
  book.Enter("ann", 1, "Ann", "", 10);
  book.Enter("ann", 2, "Anna", "", 20);
  book.Enter("ann", 1, "Ann", "", 10);  // as after a reload

  EXPECT_THAT(book.Said(), ElementsAre("join ann", "update ann online"));
  EXPECT_EQ(book.presence.List(kRoom, "", 1, true).page[0].name, "Anna");
  book.Leave("ann", 1);
  book.Leave("ann", 2);
  book.Enter("ann", 3, "Ann", "", 10);  // who was away begins anew
  EXPECT_EQ(book.presence.List(kRoom, "", 1, true).page[0].name, "Ann");
}

TEST(MemoryPresenceTest, WhoIsSentAwayHasNoGrace) {
  Book book;
  book.Enter("ann", 1);
  book.Enter("bob", 2);
  book.Leave("ann", 1, Leaving::kPerhaps);
  book.presence.EndGrace(1, "ann");  // of another app
  EXPECT_THAT(book.There(), ElementsAre("ann", "bob"));
  book.presence.EndGrace(0, "ann");
  book.presence.EndGrace(0, "bob");  // is connected
  EXPECT_THAT(book.There(), ElementsAre("bob"));
  EXPECT_THAT(book.Said(), ElementsAre("join ann", "join bob", "leave ann"));
}

TEST(MemoryPresenceTest, NobodyIsKnownWhereTheRuleKeepsNoPresence) {
  Book book({PresenceRule::Mode::kOff, seconds(10), 200});
  book.Enter("ann", 1);
  EXPECT_THAT(book.There(), IsEmpty());

  TopicRule by_name;
  for (const char* stream : {"chat", "presence", "private-presence-x"}) {
    wire::TopicView topic{0, wire::TopicKind::kStream, stream};
    book.presence.Enter(topic, by_name, Session(1), {"ann", "", ""});
    EXPECT_EQ(book.presence.List(topic, "", 10, true).count, 0u) << stream;
  }
  wire::TopicView user{0, wire::TopicKind::kUser, "presence-x"};
  book.presence.Enter(user, by_name, Session(1), {"ann", "", ""});
  EXPECT_EQ(book.presence.List(user, "", 10, true).count, 0u);
}

TEST(MemoryPresenceTest, PagesFollowEachOtherInOrder) {
  Book book;
  for (uint64_t i = 0; i < 25; ++i) book.Enter("u" + std::to_string(i + 10), i);
  std::vector<std::string> seen;
  std::string after;
  for (bool more = true; more;) {
    Members members = book.presence.List(kRoom, after, 10, false);
    EXPECT_EQ(members.count, 25u);
    EXPECT_LE(members.page.size(), 10u);
    for (const wire::Member& member : members.page) seen.push_back(member.user_id);
    more = members.more;
    after = seen.back();
  }

  EXPECT_EQ(seen, book.There());
  EXPECT_EQ(seen.size(), 25u);
  EXPECT_THAT(book.presence.List(kRoom, "u99", 10, false).page, IsEmpty());
}

TEST(MemoryPresenceTest, TooManyAreCountedAndNotNamed) {
  Book book({PresenceRule::Mode::kOn, seconds(10), 4});
  for (uint64_t i = 1; i <= 4; ++i) book.Enter("u" + std::to_string(i), i);
  book.Said();

  book.Enter("u5", 5);
  EXPECT_THAT(book.Said(), ElementsAre("count 5 only"));
  EXPECT_THAT(book.presence.List(kRoom, "", 10, false).page, IsEmpty());
  EXPECT_TRUE(book.presence.List(kRoom, "", 10, false).counts_only);
  EXPECT_EQ(book.There().size(), 5u);  // for backends

  // At most once a second, and then the newest.
  book.Enter("u6", 6);
  book.Enter("u7", 7);
  EXPECT_TRUE(book.Mood("u7", wire::Availability::kBusy).ok());
  book.Pass(milliseconds(999));
  EXPECT_THAT(book.Said(), IsEmpty());
  book.Pass(milliseconds(1));
  EXPECT_THAT(book.Said(), ElementsAre("count 7 only"));

  // A quarter below the bound everybody is named again.
  book.Pass(seconds(2));
  for (uint64_t i = 7; i >= 4; --i) book.Leave("u" + std::to_string(i), i);
  EXPECT_EQ(book.Said().back(), "count 3");
  EXPECT_FALSE(book.presence.List(kRoom, "", 10, false).counts_only);
  EXPECT_EQ(book.presence.List(kRoom, "", 10, false).page.size(), 3u);
  book.Enter("u9", 9);
  EXPECT_THAT(book.Said(), ElementsAre("join u9"));
}

TEST(MemoryPresenceTest, WithABoundOfNoneOnlyCountsAreTold) {
  Book book({PresenceRule::Mode::kOn, seconds(10), 0});
  book.Enter("ann", 1);
  EXPECT_THAT(book.Said(), ElementsAre("count 1 only"));
  book.Pass(seconds(1));
  book.Leave("ann", 1);
  EXPECT_THAT(book.Said(), ElementsAre("count 0 only"));
  EXPECT_EQ(book.presence.List(kRoom, "", 10, true).count, 0u);

  // Also where the last count has to wait.
  book.Pass(seconds(1));
  book.Enter("ann", 1);
  book.refuses = true;
  book.Leave("ann", 1);
  book.refuses = false;
  book.Pass(seconds(1));
  EXPECT_THAT(book.Said(), ElementsAre("count 1 only", "count 0 only"));
  book.Pass(seconds(5));
  EXPECT_THAT(book.Said(), IsEmpty());
}

TEST(MemoryPresenceTest, WhatCannotBePublishedIsPublishedLaterInOrder) {
  Book book;
  book.Enter("ann", 1);
  book.Said();
  book.refuses = true;
  book.Enter("bob", 2);
  book.Leave("ann", 1);
  book.Enter("cid", 3);
  book.Leave("cid", 3);  // came and went: nobody has to know
  book.refuses = false;
  book.Enter("dan", 4);  // does not overtake
  EXPECT_THAT(book.Said(), IsEmpty());
  EXPECT_THAT(book.There(), ElementsAre("bob", "dan"));

  book.Pass(milliseconds(100));
  EXPECT_THAT(book.Said(), ElementsAre("join bob", "leave ann", "join dan"));
  book.Pass(milliseconds(100));
  EXPECT_THAT(book.Said(), IsEmpty());
}

TEST(MemoryPresenceTest, WhoComesBackBeforeTheLeavingIsToldHasNotLeft) {
  Book book;
  book.Enter("ann", 1);
  book.refuses = true;
  book.Leave("ann", 1);
  book.Enter("ann", 2);
  book.refuses = false;
  book.Pass(milliseconds(100));

  EXPECT_THAT(book.Said(), ElementsAre("join ann", "update ann online"));
  EXPECT_THAT(book.There(), ElementsAre("ann"));
}

TEST(MemoryPresenceTest, RulesThatChangeKeepOrForgetMembers) {
  Book book;
  book.Enter("ann", 1);
  TopicRule other = book.rule;
  other.presence.grace = seconds(1);
  book.presence.SetRules([&](auto&) -> const TopicRule& { return other; });
  book.Leave("ann", 1, Leaving::kPerhaps);
  book.Pass(seconds(1));
  EXPECT_THAT(book.Said(), ElementsAre("join ann", "leave ann"));

  book.Enter("bob", 2);
  TopicRule off;
  off.presence.mode = PresenceRule::Mode::kOff;
  book.presence.SetRules([&](auto&) -> const TopicRule& { return off; });
  EXPECT_THAT(book.There(), IsEmpty());
  book.Leave("bob", 2);  // nobody knows any more
  EXPECT_THAT(book.Said(), ElementsAre("join bob"));
}

TEST(MemoryPresenceTest, AppsHaveTheirOwn) {
  Book book;
  book.Enter("ann", 1);
  wire::TopicView elsewhere{1, wire::TopicKind::kStream, "presence-room"};

  EXPECT_EQ(book.presence.List(elsewhere, "", 10, true).count, 0u);
  book.presence.Leave(elsewhere, Session(1), "ann", Leaving::kForGood);
  EXPECT_THAT(book.There(), ElementsAre("ann"));
}

// Whoever listens and applies what is told knows who is there, whatever happens: against a model of sessions, with
// publishing that fails now and then. Where the bound is never crossed, nobody joins twice or leaves without having
// been there; where it is, a follower asks anew, and may hear of changes that are in the answer already.
void Follow(size_t bound) {
  bool strict = bound > 10;
  test::Random random;
  Book book({PresenceRule::Mode::kOn, seconds(10), bound});
  std::map<std::string, std::set<uint64_t>> sessions;                // the model
  std::map<std::string, MemoryPresence::Clock::time_point> waits;    // for a user without sessions
  std::map<std::string, MemoryPresence::Clock::time_point> awaited;  // for one of several
  std::set<std::string> known;                                       // the follower's
  bool counts_only = false;
  bool asks = false;
  size_t count = 0;
  book.hears = [&](const std::string& event, const json::object& data) {
    count = data.at("count").to_number<size_t>();
    if (event == "count") {
      counts_only = data.at("counts_only").as_bool();
      asks = !counts_only;
      return;
    }
    ASSERT_FALSE(counts_only);
    std::string user(data.at("user").at("id").as_string());
    bool was_there = known.contains(user);
    if (strict) {
      ASSERT_EQ(was_there, event != "join") << event << " " << user;
    }
    if (event == "leave") {
      known.erase(user);
    } else {
      known.insert(user);
    }
  };
  auto ask = [&] {
    if (!std::exchange(asks, false)) return;
    known.clear();
    for (const wire::Member& member : book.presence.List(kRoom, "", 1000, false).page) known.insert(member.user_id);
  };
  auto model = [&] {
    std::set<std::string> there;
    for (const auto& [user, open] : sessions) {
      auto wait = waits.find(user);
      if (!open.empty() || (wait != waits.end() && wait->second > book.now)) there.insert(user);
    }
    return there;
  };
  size_t steps = test::Scaled(100'000);
  size_t compared = 0;
  for (size_t step = 0; step < steps; ++step) {
    std::string user = "user" + std::to_string(random.Below(10));
    uint64_t session = random.Below(3);
    std::set<uint64_t>& open = sessions[user];
    switch (random.Below(8)) {
      case 0:
      case 1:
        book.Enter(user, session);
        open.insert(session);
        waits.erase(user);
        awaited.erase(user);
        break;
      case 2:
      case 3: {
        bool for_good = random.OneIn(2);
        book.Leave(user, session, for_good ? Leaving::kForGood : Leaving::kPerhaps);
        if (open.erase(session) == 0) break;
        if (!for_good) awaited[user] = book.now + seconds(10);
        if (open.empty() && awaited.contains(user)) waits[user] = awaited[user];
        break;
      }
      case 4:
        (void)book.Mood(user, static_cast<wire::Availability>(random.Below(3)));
        break;
      case 5:
        book.refuses = random.OneIn(3);
        break;
      default:
        book.Pass(milliseconds(random.Below(3000)));
    }
    ask();
    ASSERT_FALSE(testing::Test::HasFatalFailure());
    std::set<std::string> there = model();
    // Graces end with a sweep.
    if (std::any_of(waits.begin(), waits.end(), [&](auto& each) { return each.second <= book.now; })) {
      book.presence.Sweep();
      ask();
    }
    std::vector<std::string> listed = book.There();
    ASSERT_EQ(std::set<std::string>(listed.begin(), listed.end()), there) << "step " << step;
    if (book.refuses || step % 7 != 0) continue;
    book.Pass(seconds(1));  // what waited is told
    ask();
    there = model();
    ++compared;
    if (there.empty() || counts_only) {
      // While users go one after another, the newest count waits for its second.
      for (int i = 0; i < 12 && counts_only && count != there.size(); ++i) {
        book.Pass(seconds(1));
        ask();
        there = model();
      }
      ASSERT_EQ(count, there.size());
    } else {
      ASSERT_EQ(known, there) << "step " << step;
    }
  }
  EXPECT_GT(compared, steps / 20);
}

TEST(MemoryPresenceTest, AFollowerKnowsWhoIsThere) {
  Follow(100);
}

TEST(MemoryPresenceTest, AFollowerOfACrowdKnowsWhoIsThere) {
  Follow(6);
}

}  // namespace
}  // namespace carillon::engine
