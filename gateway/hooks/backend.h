#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "gateway/base/metrics.h"
#include "gateway/base/status.h"
#include "gateway/hooks/breaker.h"
#include "gateway/hooks/channel.h"

namespace carillon::hooks {

// How a backend is asked. From config.proto's HookBackend, which says what each part means.
struct BackendRules {
  std::string name;
  std::string address;
  bool speaks_tls = false;
  ChannelTls tls;
  std::string key;
  std::chrono::milliseconds deadline{2000};
  uint32_t max_pending = 1000;
  uint32_t breaker_failures = 5;
  std::chrono::milliseconds breaker_pause{5000};
  bool allow_on_failure = false;
  size_t max_payload_bytes = 512 << 10;  // of what it answers

  bool operator==(const BackendRules&) const = default;
};

enum class Method : uint8_t { kAuthenticate, kAuthorizeSubscribe, kAuthorizePublish, kOnClientEvent };
inline constexpr size_t kMethods = 4;

// A question that is on its way: let go of, it is withdrawn, and its answer is not told any more. (As a pointer it is
// null; only its life counts.)
using Asked = std::shared_ptr<void>;

// How a backend does, for operators.
struct BackendState {
  std::string name;
  std::string address;
  Breaker::State breaker = Breaker::State::kClosed;
  size_t pending = 0;
  std::array<uint64_t, kMethods> asked{};
  uint64_t answered = 0;
  uint64_t unanswered = 0;  // late, failed, garbage
  uint64_t shed = 0;        // not asked at all: it was left alone, or too many questions waited
};

// A backend that implements HooksService: asked with a deadline, and left alone for a while where it does not answer.
// Thread: any.
class Backend : public std::enable_shared_from_this<Backend>, private Channel::Owner {
 public:
  // What was read of an answer: why it is none, for operators, and who is to be told, once.
  struct Read {
    Status flaw;
    absl::AnyInvocable<void()> tell;
  };

  // Takes the answer's bytes, or UNAVAILABLE with why there are none, or RESOURCE_EXHAUSTED where too many wait. Called
  // once, on any thread, before Ask returns as well, unless the question is withdrawn first; neither this nor `tell`
  // may take long. Whoever is told finds the answer counted.
  using Reader = std::function<Read(StatusOr<std::string> response)>;

  explicit Backend(BackendRules rules);

  const BackendRules& rules() const { return rules_; }

  // `request` is the method's message in bytes.
  Asked Ask(Method method, const std::string& request, Reader reader);

  // The same, where `read` makes an answer of the bytes, or says why they are none.
  template <class Answer>
  Asked Ask(Method method, const std::string& request, std::function<StatusOr<Answer>(const std::string&)> read,
            std::function<void(StatusOr<Answer>)> done) {
    return Ask(method, request, [read = std::move(read), done = std::move(done)](StatusOr<std::string> response) {
      StatusOr<Answer> answer = response.ok() ? read(*response) : StatusOr<Answer>(response.status());
      return Read{answer.status(), [done, answer = std::move(answer)]() mutable { done(std::move(answer)); }};
    });
  }

  // Withdraws every question, and waits until none is on its way. Nothing is asked from here on.
  void Stop();

  BackendState state() const;
  void Collect(MetricsWriter& writer) const;

 private:
  struct Question {
    Reader reader;  // null: withdrawn, or being told
    bool probe = false;
    bool withdrawn = false;
    std::shared_ptr<Backend> self;  // lives while something is on its way
  };

  void OnEnd(uint64_t call, int code, std::string response) override;
  bool IsWithdrawn(uint64_t call) const;
  void Withdraw(uint64_t call);
  Status Refusal(bool* probe);  // why nothing is asked now, or OK; with the lock
  // `alive`: the backend has said something, be it nonsense, and is no reason for leaving it alone.
  void Count(bool answered, bool alive, bool probe, std::string_view why);

  const BackendRules rules_;
  mutable std::mutex mutex_;
  std::condition_variable idle_;
  absl::flat_hash_map<uint64_t, Question> questions_;
  uint64_t next_ = 1;
  bool stopped_ = false;
  Breaker breaker_;
  std::array<uint64_t, kMethods> asked_{};
  uint64_t answered_ = 0;
  uint64_t unanswered_ = 0;
  uint64_t shed_ = 0;
  Channel channel_;  // last: it calls into what is above
};

}  // namespace carillon::hooks
