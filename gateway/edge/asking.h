#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gateway/dialect/dialect.h"
#include "gateway/edge/questions.h"
#include "gateway/hooks/backends.h"
#include "gateway/hub/shard.h"

namespace carillon::edge {

// Of one session: what a client can make backends do at once, and the gateway remember.
inline constexpr size_t kMostQuestions = 100;
inline constexpr size_t kMostQuestionBytes = 256 << 10;

// Some questions that are asked together, of a session; a few at once, so that one client does not keep a backend from
// the others. Let go of, they are withdrawn, and nobody hears of them again. Thread: the session's shard's.
class Inquiry : public std::enable_shared_from_this<Inquiry> {
 public:
  using Done = std::function<void(Answers answers)>;

  // `done` is called once, on the shard's thread, after this has returned, with all answers.
  static std::shared_ptr<Inquiry> Begin(hub::Shard& shard, const hooks::Backends& backends,
                                        std::vector<Question> questions, Done done);

 private:
  Inquiry(hub::Shard& shard, const hooks::Backends& backends, std::vector<Question> questions, Done done)
      : shard_(shard), backends_(backends), questions_(std::move(questions)), done_(std::move(done)) {}

  void AskMore();
  void Ask(const Question& question);
  template <class Answer, class Allowed>
  void Ask(const hooks::BackendPtr& backend, const Question& question,
           std::function<StatusOr<Answer>(const std::string&)> read, const Allowed& allowed);
  void Keep(const Question& question, StatusOr<hooks::Authenticated> answer);
  void Keep(const Question& question, StatusOr<hooks::SubscribeVerdict> answer);
  void Keep(const Question& question, StatusOr<hooks::PublishVerdict> answer);
  void Keep(const Question& question, StatusOr<hooks::EventVerdict> answer);
  void OnKept();

  hub::Shard& shard_;
  const hooks::Backends& backends_;
  const std::vector<Question> questions_;
  Done done_;
  Answers answers_;
  size_t next_ = 0;  // of the questions
  size_t kept_ = 0;  // answers
  std::vector<hooks::Asked> asked_;
};

// What a session has said that backends are asked about, in the order in which it did: one command is asked about when
// the one before it is done with, so that backends see what a session says in its order. What needs no question goes
// past. Owned by: its session's state. Thread: the session's shard's.
class Asking {
 public:
  // Does what the command says, now that this is known. May destroy the Asking.
  using Resume = std::function<void(const dialect::Command& command, const Answers& answers)>;

  Asking(hub::Shard& shard, const hooks::Backends& backends, Resume resume)
      : shard_(shard), backends_(backends), resume_(std::move(resume)) {}

  // The command waits for these. False: too much waits already; one command may be as large as it is. INVARIANT: there
  // are questions.
  bool Add(dialect::Command command, std::vector<Question> questions);

  // The client does not want these any more.
  void Withdraw(const std::vector<std::string>& streams);

 private:
  struct Waiting {
    dialect::Command command;
    std::vector<Question> questions;
    size_t bytes = 0;
    std::vector<std::string> withdrawn = {};
  };

  void AskNext();

  hub::Shard& shard_;
  const hooks::Backends& backends_;
  const Resume resume_;
  std::deque<Waiting> waiting_;
  size_t questions_ = 0;  // of all
  size_t bytes_ = 0;
  std::shared_ptr<Inquiry> inquiry_;  // of the first
};

}  // namespace carillon::edge
