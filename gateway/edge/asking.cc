#include "gateway/edge/asking.h"

#include <algorithm>
#include <boost/asio/post.hpp>

namespace carillon::edge {
namespace {

// Of one session.
constexpr size_t kAtOnce = 8;

}  // namespace
// --- Inquiry ---------------------------------------------------------------------------------------------------------

std::shared_ptr<Inquiry> Inquiry::Begin(hub::Shard& shard, const hooks::Backends& backends,
                                        std::vector<Question> questions, Done done) {
  std::shared_ptr<Inquiry> inquiry(new Inquiry(shard, backends, std::move(questions), std::move(done)));
  inquiry->AskMore();
  return inquiry;
}

void Inquiry::AskMore() {
  while (next_ < questions_.size() && next_ < kept_ + kAtOnce) Ask(questions_[next_++]);
}

void Inquiry::Ask(const Question& question) {
  hooks::BackendPtr backend = backends_.Find(question.backend);
  size_t most = backend == nullptr ? 0 : backend->rules().max_payload_bytes;
  switch (question.method) {
    case hooks::Method::kAuthenticate:
      return Ask<hooks::Authenticated>(
          backend, question,
          [rules = question.rules](const std::string& bytes) {
            return hooks::ReadAuthenticated(bytes, rules, std::chrono::system_clock::now());
          },
          nullptr);
    case hooks::Method::kAuthorizeSubscribe:
      return Ask<hooks::SubscribeVerdict>(backend, question, hooks::ReadSubscribeVerdict, std::monostate());
    case hooks::Method::kAuthorizePublish:
      return Ask<hooks::PublishVerdict>(
          backend, question, [most](const std::string& bytes) { return hooks::ReadPublishVerdict(bytes, most); },
          hooks::Accept());
    case hooks::Method::kOnClientEvent:
      return Ask<hooks::EventVerdict>(
          backend, question, [most](const std::string& bytes) { return hooks::ReadEventVerdict(bytes, most); },
          hooks::Accept());
  }
}

// `allowed`: the answer that stands for none where the backend's rules let everything through then; null: there is
// none.
template <class Answer, class Allowed>
void Inquiry::Ask(const hooks::BackendPtr& backend, const Question& question,
                  std::function<StatusOr<Answer>(const std::string&)> read, const Allowed& allowed) {
  // The question lives as long as this.
  auto tell = [&shard = shard_, weak = weak_from_this(), &question](StatusOr<Answer> answer) {
    boost::asio::post(shard.io(), [weak, &question, answer = std::move(answer)]() mutable {
      auto self = weak.lock();
      if (self == nullptr) return;
      self->Keep(question, std::move(answer));
      self->OnKept();
    });
  };
  if (backend == nullptr) {
    return tell(absl::UnavailableError(fmt::format("there is no backend {} to ask any more", question.backend)));
  }
  bool lets_through = backend->rules().allow_on_failure;
  asked_.push_back(backend->Ask<Answer>(
      question.method, question.request, std::move(read),
      [tell = std::move(tell), lets_through, allowed, name = question.backend](StatusOr<Answer> answer) {
        bool shed = absl::IsResourceExhausted(answer.status());  // clients can bring that about
        if (!answer.ok() && !shed && !absl::IsUnavailable(answer.status())) {
          answer = absl::UnavailableError(fmt::format("the backend {} does not answer", name));
        }
        (void)allowed;  // of some
        if constexpr (!std::is_null_pointer_v<Allowed>) {
          if (!answer.ok() && !shed && lets_through) answer = Answer(allowed);
        }
        if (shed) answer = absl::UnavailableError(MessageOf(answer.status()));
        tell(std::move(answer));
      }));
}

void Inquiry::Keep(const Question&, StatusOr<hooks::Authenticated> answer) {
  answers_.identity = std::move(answer);
}

void Inquiry::Keep(const Question& question, StatusOr<hooks::SubscribeVerdict> answer) {
  answers_.streams.insert_or_assign(question.stream, Answers::OfStream{question.backend, std::move(answer)});
}

void Inquiry::Keep(const Question& question, StatusOr<hooks::PublishVerdict> answer) {
  answers_.backend = question.backend;
  answers_.publish = std::move(answer);
}

void Inquiry::Keep(const Question& question, StatusOr<hooks::EventVerdict> answer) {
  answers_.backend = question.backend;
  answers_.event = std::move(answer);
}

void Inquiry::OnKept() {
  if (++kept_ == questions_.size()) return done_(std::move(answers_));
  AskMore();
}

// --- Asking ----------------------------------------------------------------------------------------------------------

bool Asking::Add(dialect::Command command, std::vector<Question> questions) {
  size_t bytes = 0;
  for (const Question& question : questions) bytes += question.request.size();
  if (questions_ + questions.size() > kMostQuestions) return false;
  if (!waiting_.empty() && bytes_ + bytes > kMostQuestionBytes) return false;
  questions_ += questions.size();
  bytes_ += bytes;
  waiting_.push_back({std::move(command), std::move(questions), bytes});
  if (waiting_.size() == 1) AskNext();
  return true;
}

void Asking::AskNext() {
  Waiting& next = waiting_.front();
  inquiry_ = Inquiry::Begin(shard_, backends_, next.questions, [this](Answers answers) {
    auto kept = std::move(inquiry_);  // it is calling this
    Waiting done = std::move(waiting_.front());
    waiting_.pop_front();
    questions_ -= done.questions.size();
    bytes_ -= done.bytes;
    if (!waiting_.empty()) AskNext();
    answers.withdrawn = std::move(done.withdrawn);
    Resume resume = resume_;  // it may end the session, and this
    resume(done.command, answers);
  });
}

void Asking::Withdraw(const std::vector<std::string>& streams) {
  for (Waiting& waiting : waiting_) {
    auto* subscribe = std::get_if<dialect::Subscribe>(&waiting.command);
    const auto* event = std::get_if<dialect::Publish>(&waiting.command);
    bool may_become_one = event != nullptr && event->stream.empty();
    for (const std::string& stream : streams) {
      bool taken = subscribe != nullptr && std::erase(subscribe->streams, stream) > 0;
      bool kept = may_become_one && waiting.withdrawn.size() < kMostQuestions;
      if (taken) subscribe->wanted.streams.erase(stream);
      if (taken || kept) waiting.withdrawn.push_back(stream);
    }
  }
}

}  // namespace carillon::edge
