#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "gateway/base/utf8.h"
#include "tools/cli/bulk_publisher.h"
#include "tools/cli/commands.h"
#include "tools/cli/fields.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/line_reader.h"
#include "tools/cli/outcome.h"
#include "tools/cli/payload_template.h"
#include "tools/cli/remote.h"

// publish and send: one message by a call of its own, several over PublishStream.
namespace carillon::cli {
namespace {

using google::protobuf::Message;
using Clock = std::chrono::steady_clock;

// As long as a request may be, with room for what is around the payload.
constexpr size_t kMaxPayloadBytes = 1'000'000;

// So many complaints about messages that are all alike.
constexpr uint64_t kMaxComplaints = 20;

// A message as it comes from where messages come from.
struct Draft {
  uint64_t number = 0;  // from 1: its line, or the how manieth it is
  std::optional<std::string> json;
  Status bad;  // why it cannot be sent
};

// Where messages come from.
class Source {
 public:
  virtual ~Source() = default;
  virtual std::optional<Draft> Next() = 0;
  virtual bool ready() const = 0;  // Next would not wait
};

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

// Blank lines are nothing.
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

 private:
  LineReader reader_;
};

// What publish and send have in common: what to say, how often, and how.
class MessageFlags {
 public:
  explicit MessageFlags(CLI::App& command) : command_(command) {
    command.add_option("--count", count_, "Send it so many times")
        ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000'000}));
    command.add_option("--rate", rate_, "So many messages a second; default as fast as the gateway takes them")
        ->check(CLI::Range(0.001, 1e6));
    command.add_flag("--literal", literal_, std::string("Templates in JSON are text: ") + kTemplateNames);
    fields_ = std::make_unique<FieldFlags>(
        command, *v1::BroadcastToUserRequest::descriptor(),
        std::vector<Field>{
            {"--meta", "event.meta", "Reaches clients in \"meta\"; may be repeated"},
            {"--request-id", "options.request_id", "Sending again with the same id within five minutes sends nothing"},
            {"--ttl", "options.ttl", "How long the log may still give it to those who come later"},
            {"--deliver-within", "options.deliver_within", "How long it may be on its way"},
            {"--conflation-key", "options.conflation_key", "Who is behind gets only the newest of each key"},
            {"--skip-history", "options.skip_history", "Do not keep it in the log"},
            {"--expect", "options.expected_position", "Only where the log stands at this position, EPOCH:OFFSET"},
            {"--to-label", "options.selector.labels", "Only for sessions with this label; may be repeated"},
            {"--to-user", "options.selector.user_ids", "Only for sessions of this user; may be repeated"},
            {"--to-role", "options.selector.roles", "Only for users with this role; may be repeated"},
            {"--not-session", "options.exclude_sessions", "Not for this session; may be repeated"},
            {"--not-user", "options.exclude_users", "Not for this user; may be repeated"},
            {"--report", "options.report", "Say what became of it in the sessions' queues"}});
  }

  // Fills in all but the payload.
  Status Fill(v1::BroadcastToUserRequest& request, bool several) const {
    RETURN_IF_ERROR(fields_->Fill(request));
    if (several && request.options().report()) return InvalidArgument("--report: for one message, not for several");
    if (several && !request.options().request_id().empty()) {
      return InvalidArgument("--request-id: for one message: the second of several would be taken for the first");
    }
    return absl::OkStatus();
  }

  StatusOr<std::unique_ptr<Source>> SourceOf(const std::optional<std::string>& json, const Interrupt* interrupt) const {
    if (interrupt != nullptr && FromLines(json)) {
      if (command_.count("--count") > 0) return InvalidArgument("--count: standard input says how many there are");
      return std::make_unique<Lines>(*interrupt);
    }
    std::optional<PayloadTemplate> payload;
    if (json.has_value()) {
      if (!IsUtf8(*json)) return InvalidArgument("JSON: is not UTF-8");
      payload = PayloadTemplate::Literal(*json);
      if (!literal_) {
        ASSIGN_OR_RETURN(payload, PayloadTemplate::Parse(*json));
      }
    }
    return std::make_unique<Repeated>(std::move(payload), count_);
  }

  // Somebody at a terminal who gives no payload means none.
  static bool FromLines(const std::optional<std::string>& json) {
    return json.has_value() ? *json == "-" : !IsTerminal(STDIN_FILENO);
  }
  bool Several(const std::optional<std::string>& json) const { return count_ > 1 || FromLines(json); }

  double rate() const { return rate_; }  // 0: none

 private:
  CLI::App& command_;
  uint64_t count_ = 1;
  double rate_ = 0;
  bool literal_ = false;
  std::unique_ptr<FieldFlags> fields_;
};

// The one of an item's targets that is set.
Message* TargetOf(v1::PublishItem& item) {
  const auto* field = item.GetReflection()->GetOneofFieldDescriptor(item, v1::PublishItem::descriptor()->oneof_decl(0));
  return item.GetReflection()->MutableMessage(&item, field);
}

// A message on its way: its target, with everything but the payload.
struct Addressed {
  v1::PublishItem item;
  v1::Event* event;  // of the item's target

  v1::PublishItem With(const std::optional<std::string>& json) {
    event->clear_json();
    if (json.has_value()) event->set_json(*json);
    return item;
  }
};

// What has become of several messages, told as it goes and at the end.
class Progress {
 public:
  explicit Progress(bool lines) : lines_(lines) {}

  // Any thread.
  void Refuse(uint64_t number, const Status& why) {
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
  std::atomic<uint64_t> failed_{0};
  Status first_failure_;
};

// Waits until it is this message's turn. False: interrupted.
bool Pace(const Interrupt& interrupt, Clock::time_point began, double rate, uint64_t sent) {
  if (rate == 0) return !interrupt.raised();
  auto due = began + std::chrono::nanoseconds(static_cast<int64_t>(static_cast<double>(sent) / rate * 1e9));
  return !interrupt.WaitFor(due - Clock::now());
}

Status PublishSeveral(const Remote& remote, const MessageFlags& flags, bool lines, Source& source, Addressed& addressed,
                      const Interrupt& interrupt, Format format) {
  RETURN_IF_ERROR(remote.Reach());
  Progress progress(lines);
  BulkPublisher publisher(remote, [&](uint64_t number, const Status& why) { progress.Refuse(number, why); });
  auto began = Clock::now();
  uint64_t taken = 0;
  bool going = true;
  while (going && Pace(interrupt, began, flags.rate(), taken)) {
    std::optional<Draft> draft = source.Next();
    if (!draft.has_value()) break;
    ++taken;
    if (!draft->bad.ok()) {
      progress.Refuse(draft->number, draft->bad);
      continue;
    }
    going = publisher.Add(addressed.With(draft->json), draft->number);
    // What waits for its turn, or for somebody who types, is not kept back.
    if (going && (flags.rate() > 0 || !source.ready())) going = publisher.Flush();
    progress.Show(taken);
  }
  Status ended = publisher.End();
  if (!ended.ok()) {
    RETURN_IF_ERROR(progress.Print(format, publisher.acknowledged()));
    const char* what = lines ? "line" : "message";
    std::string how_far = publisher.acknowledged() == 0
                              ? "nothing was published"
                              : fmt::format("it was heard up to {} {}", what, publisher.last_acknowledged());
    return WithAdvice(
        Status(ended.code(), fmt::format("the gateway ended the call: {}; {}", MessageOf(ended), how_far)),
        fmt::format("go on behind that {}: what came after it may have been published or not", what));
  }
  if (taken == 0 && lines && !interrupt.raised()) {
    return WithAdvice(InvalidArgument("standard input held no message"),
                      "give JSON as the last word (null for no payload), or a message a line on standard input");
  }
  RETURN_IF_ERROR(progress.Print(format, taken));
  if (interrupt.raised()) return Failed("interrupted: what was read until then is published", "go on with the rest");
  if (progress.failed() == 0) return absl::OkStatus();
  // Where none went through they all failed alike, and the exit code says how.
  absl::StatusCode code = progress.failed() == taken ? progress.first_failure().code() : absl::StatusCode::kUnknown;
  return WithAdvice(Status(code, fmt::format("{} of {} messages were refused", progress.failed(), taken)),
                    "mend what is said above, and send those alone");
}

Status PublishOne(const Remote& remote, v1::PublishItem item, Format format) {
  const Message& request = *TargetOf(item);
  auto response = ResponseTo(request);
  RETURN_IF_ERROR(remote.Call(request, response.get()));
  const auto* receipt = response->GetDescriptor()->FindFieldByName("receipt");
  auto row = RowOf(response->GetReflection()->GetMessage(*response, receipt));
  return PrintRecord(format, row,
                     {{"message", "message_id"},
                      {"sessions", "sessions"},
                      {"epoch", "position.epoch"},
                      {"offset", "position.offset"},
                      {"duplicate", "duplicate"},
                      {"report", "report"}});
}

Status PrintGrpcurls(const RemoteCommand& command, const Remote& remote, Source& source, Addressed& addressed) {
  for (auto draft = source.Next(); draft.has_value(); draft = source.Next()) {
    if (!draft->bad.ok()) return InvalidArgument("line {}: {}", draft->number, MessageOf(draft->bad));
    v1::PublishItem item = addressed.With(draft->json);
    RETURN_IF_ERROR(command.PrintGrpcurl(remote, *TargetOf(item)));
  }
  return absl::OkStatus();
}

using Address = std::function<StatusOr<Addressed>(v1::BroadcastToUserRequest draft)>;

int Publish(const RemoteCommand& command, const MessageFlags& flags, const std::string& event,
            const std::optional<std::string>& json, const Address& address) {
  bool several = flags.Several(json);
  std::optional<Interrupt> interrupt;
  if (several) interrupt.emplace();
  return command.Run([&](const Remote& remote) -> Status {
    v1::BroadcastToUserRequest draft;
    if (!IsUtf8(event)) return InvalidArgument("EVENT: is not UTF-8");
    draft.mutable_event()->set_name(event);
    RETURN_IF_ERROR(flags.Fill(draft, several));
    ASSIGN_OR_RETURN(Addressed addressed, address(std::move(draft)));
    Message* target = TargetOf(addressed.item);
    AddressTo(*target, remote.connection().app);
    const auto* field = target->GetDescriptor()->FindFieldByName("event");
    addressed.event = static_cast<v1::Event*>(target->GetReflection()->MutableMessage(target, field));
    ASSIGN_OR_RETURN(auto source, flags.SourceOf(json, several ? &*interrupt : nullptr));
    if (command.print_grpcurl()) return PrintGrpcurls(command, remote, *source, addressed);
    if (!several) return PublishOne(remote, addressed.With(source->Next()->json), command.format());
    return PublishSeveral(remote, flags, MessageFlags::FromLines(json), *source, addressed, *interrupt,
                          command.format());
  });
}

constexpr char kJsonHelp[] =
    "The payload. With -, or without it where standard input is no terminal: each line of standard input is a message";

std::optional<std::string> Given(const CLI::Option* option, const std::string& text) {
  return option->count() == 0 ? std::nullopt : std::optional(text);
}

}  // namespace

void AddPublish(CLI::App& app, int* exit_code) {
  struct Arguments {
    std::string stream, event, json;
  };
  CLI::App* command = app.add_subcommand("publish", "Publish to everyone who subscribes to a stream")->group(kUse);
  auto arguments = std::make_shared<Arguments>();
  command->add_option("stream", arguments->stream, "The stream's name")->required();
  command->add_option("event", arguments->event, "The event's name, as clients dispatch on it")->required();
  const CLI::Option* json = command->add_option("json", arguments->json, kJsonHelp);
  auto flags = std::make_shared<MessageFlags>(*command);
  auto remote = std::make_shared<RemoteCommand>(*command);
  command->callback([=] {
    *exit_code = Publish(*remote, *flags, arguments->event, Given(json, arguments->json),
                         [&](v1::BroadcastToUserRequest draft) -> StatusOr<Addressed> {
                           Addressed addressed;
                           auto* request = addressed.item.mutable_broadcast_stream();
                           RETURN_IF_ERROR(SetField(*request, "stream", arguments->stream));
                           request->mutable_event()->Swap(draft.mutable_event());
                           if (draft.has_options()) request->mutable_options()->Swap(draft.mutable_options());
                           return addressed;
                         });
  });
}

void AddSend(CLI::App& app, int* exit_code) {
  struct Arguments {
    std::string words[3];
    std::string stream, session;
    bool any_session = false;
    bool all = false;
  };
  CLI::App* command = app.add_subcommand("send", "Send to a user's sessions, to one session, or to all")->group(kUse);
  auto arguments = std::make_shared<Arguments>();
  command->add_option("user", arguments->words[0], "The user's id; left out with --session and --all")->required();
  CLI::Option* second = command->add_option("event", arguments->words[1], "The event's name");
  CLI::Option* third = command->add_option("json", arguments->words[2], kJsonHelp);
  command->add_option("--stream", arguments->stream,
                      "The stream that clients see it on; of a user, only those sessions that subscribe to it get it");
  CLI::Option* any =
      command->add_flag("--any-session", arguments->any_session, "Also those that do not subscribe to --stream");
  CLI::Option* session =
      command->add_option("--session", arguments->session, "In place of a user: the session with this id");
  command->add_flag("--all", arguments->all, "In place of a user: every session")->excludes(session)->excludes(any);
  session->excludes(any);
  auto flags = std::make_shared<MessageFlags>(*command);
  auto remote = std::make_shared<RemoteCommand>(*command);
  command->callback([=] {
    bool to_user = !arguments->all && session->count() == 0;
    const std::string& event = arguments->words[to_user ? 1 : 0];
    auto json = to_user ? Given(third, arguments->words[2]) : Given(second, arguments->words[1]);
    if (to_user && second->count() == 0) {
      *exit_code = Report(InvalidArgument("event is missing: send USER EVENT [JSON]"));
      return;
    }
    if (!to_user && third->count() > 0) {
      *exit_code = Report(InvalidArgument("a word too many: with --session and --all it is send EVENT [JSON]"));
      return;
    }
    *exit_code = Publish(*remote, *flags, event, json, [&](v1::BroadcastToUserRequest draft) -> StatusOr<Addressed> {
      Addressed addressed;
      auto fill = [&](auto* request) {
        request->mutable_event()->Swap(draft.mutable_event());
        if (draft.has_options()) request->mutable_options()->Swap(draft.mutable_options());
        return arguments->stream.empty() ? absl::OkStatus() : SetField(*request, "stream", arguments->stream);
      };
      if (arguments->all) {
        RETURN_IF_ERROR(fill(addressed.item.mutable_broadcast_all()));
      } else if (!to_user) {
        RETURN_IF_ERROR(fill(addressed.item.mutable_send_to_session()));
        RETURN_IF_ERROR(SetField(*addressed.item.mutable_send_to_session(), "session_id", arguments->session));
      } else {
        auto* request = addressed.item.mutable_broadcast_to_user();
        RETURN_IF_ERROR(fill(request));
        RETURN_IF_ERROR(SetField(*request, "user_id", arguments->words[0]));
        request->set_any_session(arguments->any_session);
      }
      return addressed;
    });
  });
}

}  // namespace carillon::cli
