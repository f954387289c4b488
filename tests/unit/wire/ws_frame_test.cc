#include "gateway/wire/ws_frame.h"

#include <gtest/gtest.h>

namespace carillon::wire {
namespace {

std::string Framed(Opcode opcode, std::string_view payload) {
  std::string out;
  AppendFrame(out, opcode, payload);
  return out;
}

std::string Bytes(std::initializer_list<int> bytes) {
  std::string out;
  for (int byte : bytes) out.push_back(static_cast<char>(byte));
  return out;
}

struct LengthCase {
  size_t size;
  std::string header;
};

TEST(WsFrameTest, LengthsTakeTheShortestForm) {
  const LengthCase kCases[] = {
      {0, Bytes({0x81, 0})},
      {1, Bytes({0x81, 1})},
      {125, Bytes({0x81, 125})},
      {126, Bytes({0x81, 126, 0, 126})},
      {127, Bytes({0x81, 126, 0, 127})},
      {256, Bytes({0x81, 126, 1, 0})},
      {65535, Bytes({0x81, 126, 0xFF, 0xFF})},
      {65536, Bytes({0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0})},
      {0x1020304, Bytes({0x81, 127, 0, 0, 0, 0, 1, 2, 3, 4})},
  };
  for (const LengthCase& c : kCases) {
    std::string payload(c.size, 'p');

    std::string frame = Framed(Opcode::kText, payload);

    EXPECT_EQ(frame.substr(0, c.header.size()), c.header) << c.size;
    EXPECT_EQ(frame.size(), c.header.size() + c.size) << c.size;
    EXPECT_TRUE(frame.ends_with(payload)) << c.size;
  }
}

TEST(WsFrameTest, FramesAreFinalAndUnmasked) {
  for (Opcode opcode : {Opcode::kText, Opcode::kBinary, Opcode::kClose, Opcode::kPing, Opcode::kPong}) {
    std::string frame = Framed(opcode, "x");

    EXPECT_EQ(static_cast<uint8_t>(frame[0]), 0x80 | static_cast<uint8_t>(opcode));
    EXPECT_EQ(static_cast<uint8_t>(frame[1]) & 0x80, 0);
    EXPECT_EQ(OpcodeOf(static_cast<uint8_t>(frame[0])), opcode);
  }
}

TEST(WsFrameTest, AppendsToWhatIsThere) {
  std::string out;

  AppendFrame(out, Opcode::kText, "a");
  AppendFrame(out, Opcode::kPing, "");

  EXPECT_EQ(out, Bytes({0x81, 1, 'a', 0x89, 0}));
}

TEST(CloseFrameTest, HoldsCodeAndReason) {
  EXPECT_EQ(CloseFrame(CloseCode::kSlowConsumer, "slow"), Bytes({0x88, 6, 0x10, 0x05, 's', 'l', 'o', 'w'}));
  EXPECT_EQ(CloseFrame(CloseCode::kNormal, ""), Bytes({0x88, 2, 0x03, 0xE8}));
}

std::string ReasonOf(const std::string& close_frame) {
  return close_frame.substr(4);
}

TEST(CloseFrameTest, AReasonThatFitsIsWhole) {
  std::string reason(123, 'r');

  EXPECT_EQ(ReasonOf(CloseFrame(CloseCode::kKicked, reason)), reason);
}

TEST(CloseFrameTest, ALongReasonIsCutToWhatAControlFrameHolds) {
  std::string frame = CloseFrame(CloseCode::kKicked, std::string(1000, 'r'));

  EXPECT_EQ(static_cast<uint8_t>(frame[1]), 125);
  EXPECT_EQ(frame.size(), 127u);
}

TEST(CloseFrameTest, ACutNeverSplitsACharacter) {
  const std::string kCharacters[] = {"\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x94\x94"};
  for (const std::string& character : kCharacters) {
    for (size_t before = 115; before <= 123; ++before) {
      std::string reason = std::string(before, 'r') + character + "and more";

      std::string cut = ReasonOf(CloseFrame(CloseCode::kKicked, reason));

      bool whole_character = before + character.size() <= 123;
      EXPECT_EQ(cut.substr(0, before), std::string(before, 'r'));
      EXPECT_EQ(cut.find(character) != std::string::npos, whole_character) << before;
      EXPECT_EQ(cut.size(), whole_character ? 123u : before) << before;
    }
  }
}

TEST(CloseFrameTest, AReasonOfTailBytesAloneIsDroppedNotTorn) {
  EXPECT_EQ(ReasonOf(CloseFrame(CloseCode::kKicked, std::string(200, '\x80'))), "");
}

}  // namespace
}  // namespace carillon::wire
