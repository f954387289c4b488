#include "gateway/base/gather.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>

namespace carillon {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Result = Gather<int>::Result;

TEST(GatherTest, TheLastAnswerCompletes) {
  std::optional<Result> got;
  Gather<int> gather(3, [&](Result result) { got = std::move(result); });

  gather.Add(1);
  gather.Add(2);
  EXPECT_FALSE(got.has_value());
  gather.Add(3);

  ASSERT_TRUE(got.has_value());
  EXPECT_THAT(got->answers, ElementsAre(1, 2, 3));
  EXPECT_FALSE(got->partial);
}

TEST(GatherTest, TheDeadlineCompletesWithWhatThereIs) {
  std::optional<Result> got;
  Gather<int> gather(3, [&](Result result) { got = std::move(result); });

  gather.Add(1);
  gather.GiveUp();

  ASSERT_TRUE(got.has_value());
  EXPECT_THAT(got->answers, ElementsAre(1));
  EXPECT_TRUE(got->partial);
}

TEST(GatherTest, LateAnswersAndDeadlinesAreDropped) {
  int calls = 0;
  Gather<int> gather(2, [&](Result) { ++calls; });

  gather.GiveUp();
  gather.Add(1);
  gather.Add(2);
  gather.Add(3);
  gather.GiveUp();

  EXPECT_EQ(calls, 1);
}

TEST(GatherTest, ADeadlineAfterTheLastAnswerIsNothing) {
  int calls = 0;
  Gather<int> gather(1, [&](Result result) {
    ++calls;
    EXPECT_FALSE(result.partial);
  });

  gather.Add(1);
  gather.GiveUp();

  EXPECT_EQ(calls, 1);
}

TEST(GatherTest, AQuestionThatNobodyWasAskedIsCompleteAtOnce) {
  std::optional<Result> got;
  Gather<int> gather(0, [&](Result result) { got = std::move(result); });

  gather.GiveUp();

  ASSERT_TRUE(got.has_value());
  EXPECT_THAT(got->answers, IsEmpty());
  EXPECT_FALSE(got->partial);
}

TEST(GatherTest, TheCallbackMayAnswerAgainWithoutHarm) {
  Gather<int>* self = nullptr;
  int calls = 0;
  Gather<int> gather(1, [&](Result) {
    ++calls;
    self->Add(7);  // no lock is held while calling back
    self->GiveUp();
  });
  self = &gather;

  gather.Add(1);

  EXPECT_EQ(calls, 1);
}

TEST(GatherTest, RacingThreadsCallBackExactlyOnce) {
  constexpr int kThreads = 8;
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> calls{0};
    std::atomic<size_t> answers{0};
    std::atomic<bool> partial{false};
    std::atomic<int> ready{0};
    Gather<std::string> gather(kThreads, [&](Gather<std::string>::Result result) {
      answers = result.answers.size();
      partial = result.partial;
      calls.fetch_add(1);
    });
    bool with_deadline = round % 2 == 1;
    auto meet = [&] {
      ready.fetch_add(1);
      while (ready.load() < kThreads + 1) std::this_thread::yield();
    };

    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        meet();
        gather.Add("answer " + std::to_string(i));
      });
    }
    meet();
    if (with_deadline) gather.GiveUp();
    for (std::thread& thread : threads) thread.join();

    ASSERT_EQ(calls.load(), 1);
    ASSERT_EQ(partial.load(), answers.load() < kThreads);
    if (!with_deadline) {
      ASSERT_EQ(answers.load(), size_t{kThreads});
    }
  }
}

}  // namespace
}  // namespace carillon
