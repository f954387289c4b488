#include <carillon/v1/events.grpc.pb.h>
#include <grpcpp/channel.h>

#include <mutex>

#include "tools/cli/commands.h"
#include "tools/cli/fields.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/outcome.h"
#include "tools/cli/remote.h"

namespace carillon::cli {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{100};
constexpr milliseconds kLongestPause{5000};

// What it says beyond the columns that every event has: code=4005 cause=kicked.
std::string Details(const json::value& event) {
  static constexpr const char* kDetails[] = {"opened", "closed", "member", "limit", "slow", "client", "drain"};
  for (const char* name : kDetails) {
    if (const json::value* found = event.get_object().if_contains(name)) return ShowPlain(*found);
  }
  return "";
}

std::vector<Column> Columns() {
  return {{"TIME", "time", ShowPlain, 24},
          {"OFFSET", "offset"},
          {"KIND", "kind", ShowWord, 16},
          {"USER", "user_id", ShowPlain, 12},
          {"SESSION", "session_id", ShowPlain, 20},
          {"STREAM", "stream", ShowPlain, 16},
          {"DETAILS", "details"}};
}

// What connecting again does not heal.
bool IsFinal(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnimplemented:
      return true;
    default:
      return false;
  }
}

// The call that is going on, so that it can be ended from another thread.
class RunningCall {
 public:
  void Begin(grpc::ClientContext* context) {
    std::lock_guard lock(mutex_);
    context_ = context;
    if (over_ && context != nullptr) context->TryCancel();
  }
  // Those that come later, too.
  void Cancel() {
    std::lock_guard lock(mutex_);
    over_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }

 private:
  std::mutex mutex_;
  grpc::ClientContext* context_ = nullptr;
  bool over_ = false;
};

class Watcher {
 public:
  Watcher(const Remote& remote, v1::WatchBegin begin, Format format, uint64_t count, RunningCall& running,
          const Interrupt& interrupt)
      : remote_(remote),
        begin_(std::move(begin)),
        format_(format),
        left_(count == 0 ? UINT64_MAX : count),
        running_(running),
        interrupt_(interrupt),
        // A list without an end is no array.
        printer_(format == Format::kTable ? Format::kTable : Format::kJsonl, Columns()) {}

  // Until it was interrupted, or has seen so many events; over as many connections as it takes.
  Status Run() {
    milliseconds pause = kFirstPause;
    while (true) {
      heard_ = false;
      Status ended = WatchOnce();
      if (interrupt_.raised() || left_ == 0) break;
      if (!printed_.ok()) return printed_;
      if (!begun_ || IsFinal(ended)) return ended;
      if (heard_) {
        pause = kFirstPause;
        Say(fmt::format("the gateway has gone: {}; going on behind {}", MessageOf(ended), Place()));
      }
      if (interrupt_.WaitFor(pause)) break;
      pause = std::min(pause * 2, kLongestPause);
    }
    if (!begin_.resume().epoch().empty())
      Say(fmt::format("watched up to {}: --resume {} goes on from there", Place(), Place()));
    return absl::OkStatus();
  }

 private:
  Status WatchOnce() {
    grpc::ClientContext context;
    remote_.Prepare(&context);
    running_.Begin(&context);
    auto stub = v1::EventService::NewStub(remote_.channel());
    auto stream = stub->Watch(&context);
    v1::WatchRequest request;
    *request.mutable_begin() = begin_;
    stream->Write(request);
    v1::WatchResponse response;
    while (left_ > 0 && stream->Read(&response)) {
      if (begun_ && !heard_) Say("the gateway is back");
      heard_ = begun_ = true;
      v1::Position done = Show(response);
      if (!printed_.ok()) break;    // nobody has read it: it is not acknowledged
      if (!done.epoch().empty()) {  // else this member stands by
        *begin_.mutable_resume() = done;
        begin_.set_from_oldest(false);
      }
      if (begin_.group().empty()) continue;
      request.mutable_ack()->set_partition(response.partition());
      request.mutable_ack()->set_offset(done.offset());
      request.mutable_ack()->set_epoch(done.epoch());
      stream->Write(request);
    }
    stream->WritesDone();  // behind what was acknowledged: the gateway ends the call when it has read that
    bool enough = left_ == 0 || !printed_.ok();  // else the gateway has ended it, and says why
    if (enough && (begin_.group().empty() || !printed_.ok())) context.TryCancel();
    while (stream->Read(&response)) {
    }
    Status ended = FromGrpc(stream->Finish());
    running_.Begin(nullptr);
    // Not by us: CANCELLED would say that nobody wants to hear more.
    if (!enough && absl::IsCancelled(ended)) return absl::UnavailableError("the gateway has ended the call");
    return ended;
  }

  // How far it was shown.
  v1::Position Show(const v1::WatchResponse& response) {
    if (response.has_lost()) {
      std::string last =
          response.lost().lost_to() == 0 ? "nobody knows how far" : fmt::format("{}", response.lost().lost_to());
      Say(fmt::format("events were lost, because they were not kept long enough: from {} to {}",
                      response.lost().lost_from(), last));
    }
    v1::Position done = response.scanned_to();
    for (const v1::FeedEvent& event : response.events()) {
      json::object row = RowOf(event);
      if (format_ == Format::kTable) row["details"] = Details(row);
      printed_ = printer_.Add(row);
      if (!printed_.ok()) break;
      if (--left_ == 0) {
        done.set_offset(event.offset());
        break;
      }
    }
    if (printed_.ok() && !response.events().empty()) printed_ = printer_.Flush();
    return done;
  }

  std::string Place() const { return fmt::format("{}:{}", begin_.resume().epoch(), begin_.resume().offset()); }

  const Remote& remote_;
  v1::WatchBegin begin_;
  const Format format_;
  uint64_t left_;
  RunningCall& running_;
  const Interrupt& interrupt_;
  ListPrinter printer_;
  bool begun_ = false;  // it was heard at all
  bool heard_ = false;  // over this connection
  Status printed_;
};

}  // namespace

void AddWatch(CLI::App& app, int* exit_code) {
  CLI::App* command =
      app.add_subcommand("watch", "Show what happens: who comes and goes, what clients say. Until Ctrl-C (exit code 0)")
          ->group(kUse);
  auto count = std::make_shared<uint64_t>(0);
  auto fields = std::make_shared<FieldFlags>(
      *command, *v1::WatchBegin::descriptor(),
      std::vector<Field>{
          {"--kind", "filter.kinds", "Only of this kind, such as session_opened; may be repeated"},
          {"--stream", "filter.streams", "Only of streams that match this pattern; may be repeated"},
          {"-u,--user", "filter.user_ids", "Only of this user; may be repeated"},
          {"--event", "filter.client_events",
           "Of what clients say, only events of this name, or name*; may be repeated"},
          {"--group", "group", "Share the work with others of this group, and acknowledge what was shown"},
          {"--from-oldest", "from_oldest", "Begin with the oldest event that is kept; default from now on"},
          {"--resume", "resume", "Begin behind this place, EPOCH:OFFSET"}});
  command->add_option("--count", *count, "End after so many events; default until Ctrl-C")
      ->check(CLI::Range(uint64_t{1}, UINT64_MAX));
  auto remote_command = std::make_shared<RemoteCommand>(*command);
  command->callback([=] {
    RunningCall running;
    Interrupt interrupt([&running] { running.Cancel(); });
    *exit_code = remote_command->Run([&](const Remote& remote) {
      v1::WatchRequest request;
      v1::WatchBegin& begin = *request.mutable_begin();
      RETURN_IF_ERROR(fields->Fill(begin));
      begin.set_app(remote.connection().app);
      if (remote_command->print_grpcurl()) return remote_command->PrintGrpcurl(remote, request);
      RETURN_IF_ERROR(remote.Reach());
      return Watcher(remote, begin, remote_command->format(), *count, running, interrupt).Run();
    });
  });
}

}  // namespace carillon::cli
