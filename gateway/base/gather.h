#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"

namespace carillon {

// Collects the answers to one question asked of several parties, then calls back exactly once: when the last answer is
// in, or when the deadline gives up on the rest. Any thread may answer; the callback runs on the thread that completes
// it, with no lock held. Answers after that are dropped.
template <class Answer>
class Gather {
 public:
  struct Result {
    std::vector<Answer> answers;
    bool partial = false;  // someone did not answer in time
  };
  using Callback = absl::AnyInvocable<void(Result)>;

  Gather(size_t expected, Callback callback) : expected_(expected), callback_(std::move(callback)) {}

  void Add(Answer answer) {
    Callback done;
    {
      std::lock_guard lock(mutex_);
      if (!callback_) return;
      result_.answers.push_back(std::move(answer));
      if (result_.answers.size() < expected_) return;
      done = std::exchange(callback_, nullptr);
    }
    done(std::move(result_));
  }

  // The deadline: answer with what there is. Also completes a question that nobody was asked.
  void GiveUp() {
    Callback done;
    {
      std::lock_guard lock(mutex_);
      if (!callback_) return;
      result_.partial = result_.answers.size() < expected_;
      done = std::exchange(callback_, nullptr);
    }
    done(std::move(result_));
  }

 private:
  std::mutex mutex_;
  const size_t expected_;
  Callback callback_;  // empty once it was called; result_ is then its caller's
  Result result_;
};

}  // namespace carillon
