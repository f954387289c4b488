#include "tools/cli/publish_several.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>

#include "gateway/base/utf8.h"
#include "tools/cli/bulk_publisher.h"
#include "tools/cli/line_reader.h"
#include "tools/cli/outcome.h"

namespace carillon::cli {
namespace {

using Clock = std::chrono::steady_clock;

// As long as a request may be, with room for what is around the payload.
constexpr size_t kMaxPayloadBytes = 1'000'000;

// So many complaints about messages that are all alike.
constexpr uint64_t kMaxComplaints = 20;

class Repeated final : public Source {
 public:
  Repeated(std::optional<PayloadTemplate> payload, uint64_t count) : payload_(std::move(payload)), count_(count) {}

  std::optional<Draft> Next() override {
    if (made_ == count_) return std::nullopt;
    Draft draft{++made_, std::nullopt, absl::OkStatus()};
    if (payload_.has_value()) draft.json = payload_->Fill(made_);
    return draft;
  }
  bool ready() const override { return true; }

 private:
  const std::optional<PayloadTemplate> payload_;
  const uint64_t count_;
  uint64_t made_ = 0;
};

class Lines final : public Source {
 public:
  explicit Lines(const Interrupt& interrupt) : reader_(interrupt, kMaxPayloadBytes) {}

  std::optional<Draft> Next() override {
    for (LineReader::Line line = reader_.Next(); line.number != 0; line = reader_.Next()) {
      if (line.too_long) return Draft{line.number, "", InvalidArgument("longer than {} bytes", kMaxPayloadBytes)};
      if (!IsUtf8(line.text)) return Draft{line.number, "", InvalidArgument("not UTF-8")};
      if (line.text.find_first_not_of(" \t") != std::string::npos)
        return Draft{line.number, line.text, absl::OkStatus()};
    }
    return std::nullopt;
  }
  bool ready() const override { return reader_.ready(); }
  Status failure() const override { return reader_.failure(); }

 private:
  LineReader reader_;
};

// What has become of several messages, told as it goes and at the end.
class Progress {
 public:
  explicit Progress(bool lines) : lines_(lines) {}

  // Any thread.
  void Refuse(uint64_t number, const Status& why) {
    std::lock_guard lock(mutex_);
    if (failed_++ == 0) first_failure_ = why;
    if (!lines_ && failed_ > kMaxComplaints) return;
    Clear();
    Say(fmt::format("{} {}: {}", lines_ ? "line" : "message", number, MessageOf(why)));
    if (!lines_ && failed_ == kMaxComplaints) Say("and so on");
  }

  void Show(uint64_t sent) {
    if (!shows_ || Clock::now() < next_) return;
    next_ = Clock::now() + std::chrono::seconds(1);
    std::fprintf(stderr, "\r%llu messages, %.0f a second", static_cast<unsigned long long>(sent), PerSecond(sent));
    std::fflush(stderr);
  }

  Status Print(Format format, uint64_t sent) {
    Clear();
    boost::json::object row{{"published", sent - std::min<uint64_t>(failed_, sent)},
                            {"failed", failed_.load()},
                            {"seconds", Rounded(Seconds())},
                            {"per_second", std::llround(PerSecond(sent))}};
    return PrintRecord(
        format, row,
        {{"published", "published"}, {"failed", "failed"}, {"seconds", "seconds"}, {"a second", "per_second"}});
  }

  uint64_t failed() const { return failed_; }
  const Status& first_failure() const { return first_failure_; }

 private:
  void Clear() const {
    if (shows_) std::fputs("\r\x1b[K", stderr);
  }
  double Seconds() const { return std::chrono::duration<double>(Clock::now() - began_).count(); }
  double PerSecond(uint64_t sent) const { return static_cast<double>(sent) / std::max(Seconds(), 0.001); }
  static double Rounded(double number) { return std::round(number * 1000) / 1000; }

  const bool lines_;
  const bool shows_ = IsTerminal(STDERR_FILENO);
  const Clock::time_point began_ = Clock::now();
  Clock::time_point next_ = began_ + std::chrono::seconds(1);

  std::mutex mutex_;  // guards what is said, and the first failure while there is more than one thread
  std::atomic<uint64_t> failed_{0};
  Status first_failure_;
};

// Waits until it is this message's turn. False: interrupted.
bool Pace(const Interrupt& interrupt, Clock::time_point began, double rate, uint64_t sent) {
  if (rate == 0) return !interrupt.raised();
  auto due = began + std::chrono::nanoseconds(static_cast<int64_t>(static_cast<double>(sent) / rate * 1e9));
  return !interrupt.WaitFor(due - Clock::now());
}

}  // namespace

std::unique_ptr<Source> RepeatedMessage(std::optional<PayloadTemplate> payload, uint64_t count) {
  return std::make_unique<Repeated>(std::move(payload), count);
}

std::unique_ptr<Source> LinesOfInput(const Interrupt& interrupt) {
  return std::make_unique<Lines>(interrupt);
}

Status PublishSeveral(const Remote& remote, const SeveralMessages& messages, const Interrupt& interrupt,
                      Format format) {
  RETURN_IF_ERROR(remote.Reach());
  Progress progress(messages.lines);
  BulkPublisher publisher(remote, [&](uint64_t number, const Status& why) { progress.Refuse(number, why); });
  auto began = Clock::now();
  uint64_t taken = 0;
  uint64_t kept_back = 0;
  bool going = true;
  while (going && Pace(interrupt, began, messages.rate, taken)) {
    std::optional<Draft> draft = messages.source.Next();
    if (!draft.has_value()) break;
    ++taken;
    if (!draft->bad.ok()) {
      progress.Refuse(draft->number, draft->bad);
      ++kept_back;
      continue;
    }
    going = publisher.Add(messages.addressed(draft->json), draft->number);
    // What waits for its turn, or for somebody who types, is not kept back.
    if (going && (messages.rate > 0 || !messages.source.ready())) going = publisher.Flush();
    progress.Show(taken);
  }
  Status ended = publisher.End();
  if (!ended.ok()) {
    RETURN_IF_ERROR(progress.Print(format, publisher.acknowledged() + kept_back));
    const char* what = messages.lines ? "line" : "message";
    std::string how_far = publisher.acknowledged() == 0
                              ? "nothing was published"
                              : fmt::format("it was heard up to {} {}", what, publisher.last_acknowledged());
    return WithAdvice(
        Status(ended.code(), fmt::format("the gateway ended the call: {}; {}", MessageOf(ended), how_far)),
        fmt::format("go on behind that {}: what came after it may have been published or not", what));
  }
  Status unread = messages.source.failure();
  if (taken == 0 && !unread.ok()) return unread;
  if (taken == 0 && messages.lines && !interrupt.raised()) {
    return WithAdvice(InvalidArgument("standard input held no message"),
                      "give JSON as the last word (null for no payload), or a message a line on standard input");
  }
  RETURN_IF_ERROR(progress.Print(format, taken));
  if (!unread.ok()) return WithAdvice(unread, "go on with the rest: what was read until then is published");
  if (interrupt.raised()) return Failed("interrupted: what was read until then is published", "go on with the rest");
  if (progress.failed() == 0) return absl::OkStatus();
  // Where none went through they all failed alike, and the exit code says how.
  absl::StatusCode code = progress.failed() == taken ? progress.first_failure().code() : absl::StatusCode::kUnknown;
  return WithAdvice(Status(code, fmt::format("{} of {} messages were refused", progress.failed(), taken)),
                    "mend what is said above, and send those alone");
}

}  // namespace carillon::cli
