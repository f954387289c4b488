#include "gateway/wire/close_code.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

namespace carillon::wire {
namespace {

TEST(CloseCodeTest, TheTableIsSane) {
  std::set<int> codes;
  std::set<std::string_view> names;
  for (const CloseInfo& info : CloseTable()) {
    EXPECT_TRUE(codes.insert(static_cast<int>(info.code)).second) << info.name;
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_FALSE(info.name.empty());
    EXPECT_LE(info.reason.size(), 123u) << info.name;
    EXPECT_TRUE(std::all_of(info.reason.begin(), info.reason.end(), [](char c) { return c >= 0x20 && c < 0x7F; }));
    EXPECT_EQ(&InfoOf(info.code), &info);
  }
}

TEST(CloseCodeTest, OwnCodesSayWhatToDoNext) {
  // 4000-4099 stay away, 4100-4199 back off first, 4200-4299 come back now.
  EXPECT_EQ(static_cast<int>(CloseCode::kUnauthorized) / 100, 40);
  EXPECT_EQ(static_cast<int>(CloseCode::kKicked) / 100, 40);
  EXPECT_EQ(static_cast<int>(CloseCode::kAuthTimeout) / 100, 40);
  EXPECT_EQ(static_cast<int>(CloseCode::kSlowConsumer) / 100, 41);
  EXPECT_EQ(static_cast<int>(CloseCode::kRestart) / 100, 42);
  EXPECT_EQ(static_cast<int>(CloseCode::kPingTimeout) / 100, 42);
}

TEST(CloseCodeTest, ACodeThatABackendChoseCountsAsKicked) {
  EXPECT_EQ(InfoOf(static_cast<CloseCode>(3210)).name, "kicked");
  EXPECT_EQ(InfoOf(static_cast<CloseCode>(4999)).name, "kicked");
}

TEST(CloseCodeTest, SomeEndingsAreForGood) {
  for (const CloseInfo& info : CloseTable()) {
    auto number = static_cast<uint16_t>(info.code);
    EXPECT_EQ(IsForGood(info.code), number >= 4000 && number < 4100) << number;
    EXPECT_EQ(IsGoodbye(number), number == 1000 || number == 1005) << number;
  }
}

struct RangeCase {
  uint32_t first;
  uint32_t last;
  bool kick;
  bool receivable;
};

TEST(CloseCodeTest, RangesAreAsInRfc6455AndItsRegistry) {
  const RangeCase kCases[] = {
      {0, 999, false, false},     {1000, 1000, true, true}, {1001, 1003, false, true},
      {1004, 1006, false, false},  // reserved, and two that stand for something that was not sent
      {1007, 1007, false, true},  {1008, 1008, true, true}, {1009, 1014, false, true},
      {1015, 2999, false, false}, {3000, 4999, true, true}, {5000, 65535, false, false},
  };
  uint32_t covered = 0;
  for (const RangeCase& c : kCases) {
    ASSERT_EQ(c.first, covered);
    covered = c.last + 1;
    for (uint32_t code = c.first; code <= c.last; ++code) {
      ASSERT_EQ(IsKickCode(code), c.kick) << code;
      ASSERT_EQ(IsReceivableCode(static_cast<uint16_t>(code)), c.receivable) << code;
    }
  }
  EXPECT_EQ(covered, 65536u);
  EXPECT_FALSE(IsKickCode(65536 + 1000));
}

}  // namespace
}  // namespace carillon::wire
