#include "gateway/wire/member.h"

#include <gtest/gtest.h>

namespace carillon::wire {
namespace {

std::string Json(const Member& member) {
  std::string out;
  AppendMemberJson(out, member);
  return out;
}

TEST(MemberTest, JsonSaysWhatThereIs) {
  Member member;
  member.user_id = "ann";
  EXPECT_EQ(Json(member), R"({"user":{"id":"ann","name":""},"status":"online","text":"","since":0})");

  member.name = "Ann \"A\"\n";
  member.info = R"({"avatar":[1]})";
  member.mood = {Availability::kBusy, "in a call"};
  member.since = WallClock::time_point(std::chrono::milliseconds(1'700'000'000'042));
  EXPECT_EQ(Json(member),
            R"({"user":{"id":"ann","name":"Ann \"A\"\n","info":{"avatar":[1]}},"status":"busy","text":"in a call",)"
            R"("since":1700000000042})");
}

TEST(MemberTest, EachAvailabilityHasAName) {
  EXPECT_EQ(NameOf(Availability::kOnline), "online");
  EXPECT_EQ(NameOf(Availability::kAway), "away");
  EXPECT_EQ(NameOf(Availability::kBusy), "busy");
}

}  // namespace
}  // namespace carillon::wire
