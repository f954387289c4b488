#include "gateway/base/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <csignal>
#include <thread>

#include "tests/support/seed.h"

namespace carillon::log {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::chrono::system_clock::time_point kNow{std::chrono::milliseconds(1'700'000'000'042)};

std::string Line(Format format, Fields fields, std::string_view message = "refused a request") {
  return FormatLine(format, Level::kInfo, "edge", message, fields, kNow);
}

boost::json::object Json(Fields fields, std::string_view message = "refused a request") {
  return boost::json::parse(Line(Format::kJson, fields, message)).as_object();
}

TEST(LogLineTest, JsonHoldsTimeLevelRoomMessageAndFields) {
  boost::json::object line = Json({{"reason", "origin"}, {"status", 403}, {"change", -1}});

  EXPECT_EQ(line.at("ts").as_string(), "2023-11-14T22:13:20.042Z");
  EXPECT_EQ(line.at("level").as_string(), "info");
  EXPECT_EQ(line.at("room").as_string(), "edge");
  EXPECT_EQ(line.at("msg").as_string(), "refused a request");
  EXPECT_EQ(line.at("reason").as_string(), "origin");
  EXPECT_EQ(line.at("status").as_int64(), 403);
  EXPECT_EQ(line.at("change").as_int64(), -1);
}

TEST(LogLineTest, TextShowsPlainWordsBareAndQuotesTheRest) {
  EXPECT_EQ(Line(Format::kText, {{"reason", "origin"}, {"status", 403}, {"why", "not \"ours\""}, {"setting", ""}}),
            "2023-11-14T22:13:20.042Z info  edge: refused a request  reason=origin  status=403  "
            "why=\"not \\\"ours\\\"\"  setting=\"\"");
}

TEST(LogLineTest, AValueCannotForgeALine) {
  const char kForged[] = "eve\n{\"level\":\"error\"}\r\x1b[31m level=error";
  for (Format format : {Format::kText, Format::kJson}) {
    std::string line = Line(format, {{"user", kForged}});

    EXPECT_THAT(line, Not(HasSubstr("\n")));
    EXPECT_THAT(line, Not(HasSubstr("\r")));
    EXPECT_THAT(line, Not(HasSubstr("\x1b")));
  }
  EXPECT_EQ(Json({{"user", kForged}}).at("level").as_string(), "info");
}

// gRPC's own lines come in as messages, and quote what a peer sent.
TEST(LogLineTest, AMessageCannotForgeALine) {
  const char kForged[] = "connection failed: \nerror edge: forged \x1b[31m";

  for (Format format : {Format::kText, Format::kJson}) {
    std::string line = Line(format, {}, kForged);

    EXPECT_THAT(line, Not(HasSubstr("\n")));
    EXPECT_THAT(line, Not(HasSubstr("\x1b")));
  }
}

TEST(LogLineTest, ValuesAreCutTo256Bytes) {
  std::string longest(256, 'x');
  std::string longer(257, 'y');

  EXPECT_EQ(Json({{"v", longest}}).at("v").as_string().size(), 256u);
  EXPECT_EQ(Json({{"v", longer}}).at("v").as_string().size(), 256u);
  EXPECT_THAT(Line(Format::kText, {{"v", longer}}), Not(HasSubstr(longer)));
}

TEST(LogLineTest, ACharacterThatIsCutInHalfIsRepaired) {
  std::string text = std::string(255, 'x') + "\xc3\xbc";

  std::string shown(Json({{"v", text}}).at("v").as_string());

  EXPECT_EQ(shown, std::string(255, 'x') + "\xEF\xBF\xBD");
}

TEST(LogLineTest, WhateverAFieldHoldsTheLineIsOneJsonObject) {
  test::Random random;
  for (int i = 0; i < 3000; ++i) {
    std::string value = random.Bytes(random.Below(300));
    std::string message = random.Bytes(random.Below(30));

    std::string line = Line(Format::kJson, {{"value", value}}, message);

    boost::json::error_code error;
    boost::json::value parsed = boost::json::parse(line, error);
    ASSERT_FALSE(error) << line;
    ASSERT_TRUE(parsed.is_object());
    ASSERT_EQ(line.find('\n'), std::string::npos);
  }
}

TEST(SamplerTest, TheFirstIsShownAndTheFloodIsCounted) {
  Sampler sampler;
  uint64_t suppressed = 99;

  EXPECT_TRUE(sampler.Allow(&suppressed));
  EXPECT_EQ(suppressed, 0u);
  int shown = 0;
  for (int i = 0; i < 1000; ++i) shown += sampler.Allow(&suppressed) ? 1 : 0;

  EXPECT_LE(shown, 1);  // one more where the loop ran across a second
}

TEST(SamplerTest, AFloodOfOneReasonDoesNotHideAnother) {
  SamplerByReason sampler;
  uint64_t suppressed = 0;
  EXPECT_TRUE(sampler.Allow("flood", &suppressed));
  for (int i = 0; i < 100; ++i) sampler.Allow("flood", &suppressed);

  EXPECT_TRUE(sampler.Allow("other", &suppressed));
  EXPECT_EQ(suppressed, 0u);
}

TEST(SamplerTest, RacingThreadsAreCountedOnceEach) {
  Sampler sampler;
  constexpr int kThreads = 4;
  constexpr uint64_t kEach = 5000;
  std::atomic<uint64_t> shown{0};
  std::atomic<uint64_t> reported{0};

  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (uint64_t n = 0; n < kEach; ++n) {
        uint64_t suppressed = 0;
        if (!sampler.Allow(&suppressed)) continue;
        shown.fetch_add(1);
        reported.fetch_add(suppressed);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_GE(shown.load(), 1u);
  EXPECT_LE(shown.load() + reported.load(), kThreads * kEach);
}

// Standard error replaced by a pipe, for as long as this lives.
class CapturedStderr {
 public:
  CapturedStderr() {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    reader_ = ends[0];
    saved_ = ::dup(STDERR_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
  }
  ~CapturedStderr() {
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
    CloseReader();
  }

  void CloseReader() {
    if (reader_ >= 0) ::close(std::exchange(reader_, -1));
  }

  // What is there by now.
  std::string Read() const {
    ::fcntl(reader_, F_SETFL, O_NONBLOCK);
    std::string text;
    char buffer[4096];
    for (ssize_t n; (n = ::read(reader_, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
    return text;
  }

 private:
  int reader_;
  int saved_;
};

TEST(LogTest, LinesBelowTheLevelAndOutsideStartAndStopAreDropped) {
  CapturedStderr captured;

  Info("test", "too early");
  Start(Level::kWarn, Format::kText);
  Info("test", "too small");
  Warn("test", "just right");
  Stop();
  Warn("test", "too late");

  std::string text = captured.Read();
  EXPECT_THAT(text, HasSubstr("just right"));
  EXPECT_THAT(text, Not(HasSubstr("too ")));
  EXPECT_TRUE(text.ends_with('\n'));
}

TEST(LogTest, ABlockedSinkLosesLinesCountsThemAndHoldsNobodyUp) {
  std::signal(SIGPIPE, SIG_IGN);
  CapturedStderr captured;
  Start(Level::kInfo, Format::kText);

  const std::string value(200, 'x');
  for (int i = 0; i < 20000; ++i) Info("test", "flood", {{"value", value}});  // nobody reads: the pipe holds 64 KiB
  uint64_t dropped = Dropped();
  captured.CloseReader();  // the sink breaks instead of blocking for ever
  Stop();

  EXPECT_GT(dropped, 10000u);
}

}  // namespace
}  // namespace carillon::log
