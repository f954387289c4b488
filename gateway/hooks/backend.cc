#include "gateway/hooks/backend.h"

#include <vector>

#include "gateway/base/log.h"

namespace carillon::hooks {
namespace {

constexpr const char* kPaths[kMethods] = {
    "/carillon.v1.HooksService/Authenticate", "/carillon.v1.HooksService/AuthorizeSubscribe",
    "/carillon.v1.HooksService/AuthorizePublish", "/carillon.v1.HooksService/OnClientEvent"};
constexpr std::string_view kNames[kMethods] = {"authenticate", "authorize_subscribe", "authorize_publish",
                                               "on_client_event"};

// gRPC's words for it.
constexpr int kDeadlineExceeded = 4;
constexpr int kPermissionDenied = 7;
constexpr int kUnimplemented = 12;
constexpr int kUnavailable = 14;
constexpr int kUnauthenticated = 16;

// What a status of gRPC's says to operators. The backend's own words may hold what clients showed.
std::string ShowStatus(int code) {
  std::string text = fmt::format("status {} ({})", code, absl::StatusCodeToString(static_cast<absl::StatusCode>(code)));
  switch (code) {
    case kUnauthenticated:
    case kPermissionDenied:
      return text + ": does it know hooks[].key?";
    case kUnimplemented:
      return text + ": it does not implement this method";
    default:
      return text;
  }
}

void LogUnanswered(const BackendRules& rules, std::string_view why) {
  static log::SamplerByReason sampler;
  uint64_t suppressed = 0;
  if (!sampler.Allow("unanswered", &suppressed)) return;
  log::Warn("hooks", "a backend has not answered",
            {{"backend", rules.name}, {"address", rules.address}, {"why", why}, {"suppressed", suppressed}});
}

}  // namespace

Backend::Backend(BackendRules rules)
    : rules_(std::move(rules)),
      breaker_(rules_.breaker_failures, rules_.breaker_pause),
      channel_(*this, rules_.address, rules_.speaks_tls ? &rules_.tls : nullptr, rules_.key) {}

Status Backend::Refusal(bool* probe) {
  if (stopped_) return absl::UnavailableError("the gateway is shutting down");
  if (questions_.size() >= rules_.max_pending) {
    return absl::ResourceExhaustedError(fmt::format("too many questions wait for the backend {}", rules_.name));
  }
  if (!breaker_.Allows(Breaker::Clock::now(), probe)) {
    return absl::UnavailableError(fmt::format("the backend {} does not answer", rules_.name));
  }
  return absl::OkStatus();
}

Asked Backend::Ask(Method method, const std::string& request, Reader reader) {
  uint64_t call = 0;
  bool probe = false;
  Status refusal;
  {
    std::lock_guard lock(mutex_);
    refusal = Refusal(&probe);
    if (refusal.ok()) {
      call = next_++;
      ++asked_[static_cast<size_t>(method)];
      questions_[call] = {std::move(reader), probe, false, shared_from_this()};
    } else {
      ++shed_;
    }
  }
  if (!refusal.ok()) {
    reader(refusal).tell();
    return nullptr;
  }
  channel_.Start(call, kPaths[static_cast<size_t>(method)], request, rules_.deadline);
  if (IsWithdrawn(call)) channel_.Cancel(call);  // by Stop, before there was something to cancel
  return {nullptr, [weak = weak_from_this(), call](void*) {
            if (auto self = weak.lock()) self->Withdraw(call);
          }};
}

void Backend::OnEnd(uint64_t call, int code, std::string response) {
  Reader reader;
  bool probe = false;
  {
    std::lock_guard lock(mutex_);
    auto it = questions_.find(call);
    reader = std::exchange(it->second.reader, nullptr);
    probe = it->second.probe;
  }
  if (reader != nullptr) {
    StatusOr<std::string> came = std::move(response);
    if (code != 0) {
      came = absl::UnavailableError(fmt::format("the backend {} does not answer", rules_.name));
    }
    Read read = reader(std::move(came));
    bool alive = code != kDeadlineExceeded && code != kUnavailable;
    std::string why;
    if (code == kDeadlineExceeded) {
      why = fmt::format("nothing came in {} ms", rules_.deadline.count());
    } else if (code != 0) {
      why = ShowStatus(code);
    } else if (!read.flaw.ok()) {
      why = fmt::format("what came is not an answer: {}", MessageOf(read.flaw));
    }
    Count(read.flaw.ok(), alive, probe, why);
    read.tell();
  }
  std::shared_ptr<Backend> self;  // goes after the lock
  std::lock_guard lock(mutex_);
  auto it = questions_.find(call);
  if (it->second.withdrawn) breaker_.OnWithdrawn(probe);
  self = std::move(it->second.self);
  questions_.erase(it);
  if (questions_.empty()) idle_.notify_all();
}

void Backend::Count(bool answered, bool alive, bool probe, std::string_view why) {
  bool opened = false;
  bool closed = false;
  {
    std::lock_guard lock(mutex_);
    ++(answered ? answered_ : unanswered_);
    closed = alive && breaker_.state() != Breaker::State::kClosed;
    if (alive) {
      breaker_.OnAnswer();
    } else {
      opened = breaker_.OnFailure(probe, Breaker::Clock::now());
    }
  }
  if (!answered) LogUnanswered(rules_, why);
  if (opened) {
    log::Error("hooks", "a backend does not answer, and is left alone",
               {{"backend", rules_.name},
                {"address", rules_.address},
                {"unanswered", rules_.breaker_failures},
                {"pause_ms", rules_.breaker_pause.count()},
                {"meanwhile", rules_.allow_on_failure ? "what the other rules let through is let through"
                                                      : "clients are told \"unavailable\""},
                {"why", why}});
  }
  if (closed) log::Info("hooks", "a backend answers again", {{"backend", rules_.name}, {"address", rules_.address}});
}

bool Backend::IsWithdrawn(uint64_t call) const {
  std::lock_guard lock(mutex_);
  auto it = questions_.find(call);
  return it != questions_.end() && it->second.withdrawn;
}

void Backend::Withdraw(uint64_t call) {
  Reader reader;  // goes after the lock: who knows what it holds
  {
    std::lock_guard lock(mutex_);
    auto it = questions_.find(call);
    if (it == questions_.end() || it->second.reader == nullptr) return;
    reader = std::exchange(it->second.reader, nullptr);
    it->second.withdrawn = true;
  }
  channel_.Cancel(call);
}

void Backend::Stop() {
  std::vector<uint64_t> calls;
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const auto& [call, question] : questions_) calls.push_back(call);
  }
  for (uint64_t call : calls) Withdraw(call);
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return questions_.empty(); });
}

BackendState Backend::state() const {
  std::lock_guard lock(mutex_);
  return {rules_.name, rules_.address, breaker_.state(), questions_.size(), asked_, answered_, unanswered_, shed_};
}

void Backend::Collect(MetricsWriter& writer) const {
  BackendState state = this->state();
  for (size_t i = 0; i < kMethods; ++i) {
    writer.Counter("carillon_hook_questions_total", "Questions that backends were asked, by method.", state.asked[i],
                   {{"backend", state.name}, {"method", kNames[i]}});
  }
  constexpr std::string_view kEnds = "carillon_hook_ends_total";
  constexpr std::string_view kHelp =
      "What came of questions to backends: answered, unanswered (late, failed, garbage), or shed (not asked at all).";
  writer.Counter(kEnds, kHelp, state.answered, {{"backend", state.name}, {"result", "answered"}});
  writer.Counter(kEnds, kHelp, state.unanswered, {{"backend", state.name}, {"result", "unanswered"}});
  writer.Counter(kEnds, kHelp, state.shed, {{"backend", state.name}, {"result", "shed"}});
  writer.Gauge("carillon_hook_pending", "Questions that wait for their answers.", static_cast<double>(state.pending),
               {{"backend", state.name}});
  writer.Gauge("carillon_hook_breaker", "Whether a backend is asked: 0 yes, 1 one question, to see, 2 left alone.",
               static_cast<double>(state.breaker), {{"backend", state.name}});
}

}  // namespace carillon::hooks
