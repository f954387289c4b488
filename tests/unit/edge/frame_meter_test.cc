#include "gateway/edge/frame_meter.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/support/raw_ws_client.h"
#include "tests/support/seed.h"

namespace carillon::edge {
namespace {

using test::ClientFrame;
using wire::CloseCode;
using Verdict = std::optional<CloseCode>;

constexpr std::chrono::steady_clock::time_point kNow{std::chrono::hours(1)};

Verdict Feed(FrameMeter& meter, std::string_view bytes, std::chrono::steady_clock::time_point now = kNow) {
  return meter.Feed({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, now);
}

Verdict Judge(std::string_view bytes) {
  FrameMeter meter;
  return Feed(meter, bytes);
}

Verdict JudgeInPieces(std::string_view bytes, const std::function<size_t()>& next_size) {
  FrameMeter meter;
  while (!bytes.empty()) {
    size_t size = std::min(bytes.size(), next_size());
    if (Verdict verdict = Feed(meter, bytes.substr(0, size))) return verdict;
    bytes.remove_prefix(size);
  }
  return std::nullopt;
}

std::string Close(int code, std::string_view reason = "") {
  std::string payload = {static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)};
  return ClientFrame(8, payload.append(reason));
}

// A message of `count` fragments of one byte.
std::string Fragments(int count) {
  std::string bytes = ClientFrame(1, "a", count == 1);
  for (int i = 2; i <= count; ++i) bytes.append(ClientFrame(0, "b", i == count));
  return bytes;
}

std::string Repeat(const std::string& frame, int times) {
  std::string bytes;
  for (int i = 0; i < times; ++i) bytes.append(frame);
  return bytes;
}

TEST(FrameMeterTest, MessagesOfAllLengthsPass) {
  for (size_t size : {0u, 1u, 125u, 126u, 65535u, 65536u, 200000u}) {
    std::string bytes = Repeat(ClientFrame(1, std::string(size, '\xff')), 30);

    EXPECT_EQ(Judge(bytes), std::nullopt) << size;
  }
}

TEST(FrameMeterTest, AMessageMayHave1024Fragments) {
  EXPECT_EQ(Judge(Fragments(1024)), std::nullopt);
  EXPECT_EQ(Judge(Fragments(1025)), CloseCode::kPolicy);
}

TEST(FrameMeterTest, EmptyFragmentsCount) {
  std::string bytes = ClientFrame(2, "", false) + Repeat(ClientFrame(0, "", false), 1024);

  EXPECT_EQ(Judge(bytes), CloseCode::kPolicy);
}

TEST(FrameMeterTest, EachMessageIsCountedAnew) {
  EXPECT_EQ(Judge(Repeat(Fragments(1000), 5)), std::nullopt);
}

TEST(FrameMeterTest, ControlFramesBetweenFragmentsAreNoFragments) {
  std::string bytes = ClientFrame(1, "a", false);
  for (int i = 0; i < 1022; ++i) bytes.append(ClientFrame(0, "b", false));
  bytes.append(ClientFrame(9, "ping")).append(ClientFrame(0, "c", true));

  EXPECT_EQ(Judge(bytes), std::nullopt);
}

TEST(FrameMeterTest, TwentyControlFramesASecondAreEnough) {
  for (uint8_t opcode : {9, 10}) {
    EXPECT_EQ(Judge(Repeat(ClientFrame(opcode, "x"), 20)), std::nullopt);
    EXPECT_EQ(Judge(Repeat(ClientFrame(opcode, ""), 21)), CloseCode::kPolicy);
  }
}

TEST(FrameMeterTest, SlowPingsGoOnForever) {
  FrameMeter meter;
  auto now = kNow;
  for (int i = 0; i < 5000; ++i) {
    now += std::chrono::milliseconds(60);
    ASSERT_EQ(Feed(meter, ClientFrame(9, "x"), now), std::nullopt);
  }
}

struct CodeCase {
  int code;
  bool good;
};

TEST(FrameMeterTest, CloseCodesThatNobodyMaySendAreViolations) {
  const CodeCase kCases[] = {{1000, true}, {1001, true},  {1003, true},   {1004, false}, {1005, false}, {1006, false},
                             {1007, true}, {1014, true},  {1015, false},  {1016, false}, {2999, false}, {3000, true},
                             {4999, true}, {5000, false}, {65535, false}, {0, false},    {999, false}};
  for (const CodeCase& c : kCases) {
    Verdict expected = c.good ? Verdict() : Verdict(CloseCode::kProtocolError);

    EXPECT_EQ(Judge(Close(c.code)), expected) << c.code;
    EXPECT_EQ(Judge(Close(c.code, "a reason")), expected) << c.code;
  }
}

TEST(FrameMeterTest, CloseFramesWithoutACodeAreBeastsBusiness) {
  EXPECT_EQ(Judge(ClientFrame(8, "")), std::nullopt);
  EXPECT_EQ(Judge(ClientFrame(8, "\x03")), std::nullopt);
}

TEST(FrameMeterTest, CloseReasonsMustBeUtf8) {
  EXPECT_EQ(Judge(Close(1000,
                        "Gl\xc3\xbc"
                        "ck")),
            std::nullopt);
  EXPECT_EQ(Judge(Close(1000, "\xff")), CloseCode::kInvalidText);
  EXPECT_EQ(Judge(Close(1000, std::string(122, 'x') + "\xc3")), CloseCode::kInvalidText);
  EXPECT_EQ(Judge(Close(5000, "\xff")), CloseCode::kProtocolError);
}

TEST(FrameMeterTest, MasksOfAllKindsAreTakenOff) {
  for (uint32_t mask : {0u, 1u, 0xFF000000u, 0x00FF0000u, 0xDEADBEEFu, 0xFFFFFFFFu}) {
    std::string good = {'\x0f', '\xa0'};  // 4000
    std::string bad = {'\x13', '\x88'};   // 5000

    EXPECT_EQ(Judge(ClientFrame(8, good, true, mask)), std::nullopt);
    EXPECT_EQ(Judge(ClientFrame(8, bad, true, mask)), CloseCode::kProtocolError);
  }
}

TEST(FrameMeterTest, UnmaskedFramesKeepTheirPlaceToo) {
  std::string bytes = std::string(
                          "\x81\x03"
                          "abc",
                          5) +
                      std::string("\x88\x02\x13\x88", 4);

  EXPECT_EQ(Judge(bytes), CloseCode::kProtocolError);
}

TEST(FrameMeterTest, PayloadThatLooksLikeFramesIsPayload) {
  std::string bytes = ClientFrame(2, Repeat(Close(5000), 50), true, 0);

  EXPECT_EQ(Judge(bytes), std::nullopt);
}

TEST(FrameMeterTest, LengthsBeyondAllMemoryAreSkippedNotAdded) {
  std::string header =
      "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff"
      "mask";

  EXPECT_EQ(Judge(header + std::string(100000, 'x')), std::nullopt);
}

TEST(FrameMeterTest, HowTheBytesAreCutChangesNothing) {
  test::Random random;
  for (int round = 0; round < 300; ++round) {
    std::string bytes;
    for (size_t frames = random.Below(30); frames > 0; --frames) {
      uint8_t opcode = static_cast<uint8_t>(random.OneIn(3) ? random.Below(16) : random.Below(3));
      size_t size = random.OneIn(10) ? random.Below(70000) : random.Below(140);
      bytes.append(
          opcode == 8 ? Close(static_cast<int>(random.Below(6000)))
                      : ClientFrame(opcode, random.Bytes(size), random.OneIn(2), static_cast<uint32_t>(random.Bits())));
    }
    if (random.OneIn(4)) bytes = random.Mutated(bytes);

    Verdict whole = Judge(bytes);

    ASSERT_EQ(JudgeInPieces(bytes, [] { return size_t{1}; }), whole);
    ASSERT_EQ(JudgeInPieces(bytes, [&] { return 1 + random.Below(300); }), whole);
  }
}

}  // namespace
}  // namespace carillon::edge
