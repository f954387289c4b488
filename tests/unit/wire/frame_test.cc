#include "gateway/wire/frame.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

namespace carillon::wire {
namespace {

std::atomic<int> g_encodings{0};

void EncodeAndCount(const v1::Envelope& envelope, std::string& out) {
  g_encodings.fetch_add(1);
  out.append("<" + envelope.event() + ">");
}

FramePtr MakeFrame(std::string event = "x", std::string json = "null") {
  v1::Envelope envelope;
  envelope.set_event(std::move(event));
  envelope.set_json(std::move(json));
  return FramePtr(new Frame(std::move(envelope)));
}

TEST(FrameTest, IsEncodedOnce) {
  g_encodings = 0;
  FramePtr frame = MakeFrame("typing");

  std::string_view first = frame->Encoded(Encoding::kNativeJson, &EncodeAndCount);
  std::string_view second = frame->Encoded(Encoding::kNativeJson, &EncodeAndCount);

  EXPECT_EQ(first, "<typing>");
  EXPECT_EQ(first.data(), second.data());
  EXPECT_EQ(g_encodings.load(), 1);
}

TEST(FrameTest, IsNotEncodedBeforeSomebodyAsks) {
  g_encodings = 0;

  MakeFrame();

  EXPECT_EQ(g_encodings.load(), 0);
}

TEST(FrameTest, RacingShardsShareOneEncoding) {
  constexpr int kThreads = 4;
  for (int round = 0; round < 300; ++round) {
    g_encodings = 0;
    FramePtr frame = MakeFrame("round " + std::to_string(round));
    std::atomic<int> ready{0};
    std::array<std::string_view, kThreads> seen;

    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        ready.fetch_add(1);
        while (ready.load() < kThreads) std::this_thread::yield();
        seen[static_cast<size_t>(i)] = frame->Encoded(Encoding::kNativeJson, &EncodeAndCount);
      });
    }
    for (std::thread& thread : threads) thread.join();

    std::set<const char*> places;
    for (std::string_view bytes : seen) {
      ASSERT_EQ(bytes, "<round " + std::to_string(round) + ">");
      places.insert(bytes.data());
    }
    ASSERT_EQ(places.size(), 1u);
    ASSERT_GE(g_encodings.load(), 1);
    ASSERT_LE(g_encodings.load(), kThreads);
  }
}

TEST(FrameTest, CountsItsPayload) {
  FramePtr small = MakeFrame("x", "null");
  FramePtr large = MakeFrame("x", '"' + std::string(100'000, 'a') + '"');

  EXPECT_GE(small->bytes(), sizeof(Frame));
  EXPECT_GE(large->bytes(), small->bytes() + 99'000);
}

TEST(FrameTest, LivesAsLongAsItsLastHolder) {
  FramePtr frame = MakeFrame("kept");
  std::string_view bytes = frame->Encoded(Encoding::kNativeJson, &EncodeAndCount);

  std::thread([other = frame] {}).join();
  FramePtr moved = std::move(frame);

  EXPECT_EQ(moved->use_count(), 1u);
  EXPECT_EQ(bytes, "<kept>");
}

}  // namespace
}  // namespace carillon::wire
