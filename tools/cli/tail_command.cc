#include <carillon/v1/admin.grpc.pb.h>
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

std::string ShowDirection(const json::value& value) {
  return ShowPlain(value) == "TAIL_DIRECTION_IN" ? "<-" : "->";
}

// The payload, or what it is made of: text=string n=array.
std::string Details(const v1::TailFrame& frame) {
  if (frame.secret()) return "(secret)";
  if (!frame.payload().empty()) return frame.payload() + (frame.payload_cut() ? "…" : "");
  std::string text;
  for (const v1::TailField& field : frame.fields()) text += fmt::format(" {}={}", field.name(), field.type());
  if (frame.payload_type() == "object") return "{" + (text.empty() ? "" : text.substr(1)) + "}";
  return frame.payload_type();
}

std::vector<Column> Columns() {
  return {{"TIME", "time", ShowPlain, 27},          {"", "direction", ShowDirection, 2},
          {"SESSION", "session_id", ShowPlain, 20}, {"ACTION", "action", ShowPlain, 9},
          {"STREAM", "stream", ShowPlain, 16},      {"EVENT", "event", ShowPlain, 16},
          {"BYTES", "bytes", ShowPlain, 6},         {"PAYLOAD", "details"}};
}

// Ends the call from another thread.
class Stopper {
 public:
  void Begin(grpc::ClientContext* context) {
    std::lock_guard lock(mutex_);
    context_ = context;
    if (over_ && context != nullptr) context->TryCancel();
  }
  void Stop() {
    std::lock_guard lock(mutex_);
    over_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }

 private:
  std::mutex mutex_;
  grpc::ClientContext* context_ = nullptr;
  bool over_ = false;
};

class Shower {
 public:
  Shower(Format format, uint64_t count)
      : format_(format),
        left_(count == 0 ? UINT64_MAX : count),
        // A list without an end is no array.
        printer_(format == Format::kTable ? Format::kTable : Format::kJsonl, Columns()) {}

  bool done() const { return left_ == 0; }

  Status Show(const v1::TailResponse& response) {
    if (response.has_begun()) {
      Say(fmt::format("looking until {}", ShowPlain(RowOf(response.begun()).at("end_time"))));
    }
    for (const v1::TailFrame& frame : response.frames()) {
      json::object row = RowOf(frame);
      if (format_ == Format::kTable) row["details"] = Details(frame);
      RETURN_IF_ERROR(printer_.Add(row));
      if (--left_ == 0) break;
    }
    if (!response.frames().empty()) RETURN_IF_ERROR(printer_.Flush());
    left_out_ += response.left_out();
    if (response.lost() > 0) Say(fmt::format("{} frames were lost: they came too fast", response.lost()));
    if (response.end() == v1::TAIL_END_SESSION_GONE) Say("the session is gone");
    if (response.end() == v1::TAIL_END_MAX_AGE) Say("the time is over (--max-age)");
    return absl::OkStatus();
  }

  void SayLeftOut() const {
    if (left_out_ > 0) Say(fmt::format("the sample left out {} frames", left_out_));
  }

 private:
  const Format format_;
  uint64_t left_;
  uint64_t left_out_ = 0;
  ListPrinter printer_;
};

Status Run(const Remote& remote, const v1::TailRequest& request, Shower shower, Stopper& stopper,
           const Interrupt& interrupt) {
  RETURN_IF_ERROR(remote.Reach());
  grpc::ClientContext context;
  remote.Prepare(&context);
  stopper.Begin(&context);
  auto stub = v1::AdminService::NewStub(remote.channel());
  auto stream = stub->Tail(&context, request);
  Status printed;
  v1::TailResponse response;
  while (printed.ok() && !shower.done() && stream->Read(&response)) printed = shower.Show(response);
  bool ours = !printed.ok() || shower.done();
  if (ours) context.TryCancel();
  while (stream->Read(&response)) {
  }
  Status ended = FromGrpc(stream->Finish());
  stopper.Begin(nullptr);
  shower.SayLeftOut();
  if (!printed.ok()) return printed;
  return ours || interrupt.raised() ? absl::OkStatus() : ended;
}

}  // namespace

void AddTail(CLI::App& app, int* exit_code) {
  CLI::App* command =
      app.add_subcommand("tail",
                         "Show what goes by: what a user's sessions, or one, are given to read and say, or what is "
                         "published to a stream. Until Ctrl-C (exit code 0)")
          ->group(kUse);
  auto what = std::make_shared<std::string>();
  auto which = std::make_shared<std::string>();
  auto count = std::make_shared<uint64_t>(0);
  command->add_option("what", *what, "user, session or stream")
      ->required()
      ->check(CLI::IsMember({"user", "session", "stream"}));
  command->add_option("which", *which, "The user's or the session's id, or the stream's name")->required();
  auto fields = std::make_shared<FieldFlags>(
      *command, *v1::TailRequest::descriptor(),
      std::vector<Field>{
          {"--payloads", "payloads", "Show payloads; without it, only the names and types of their fields"},
          {"--max-payload-bytes", "max_payload_bytes", "Of a payload, so many bytes; default 4096, at most 65536"},
          {"--sample", "sample_every", "Of so many frames, only the first"},
          {"--max-per-second", "max_per_second", "At most so many frames a second"},
          {"--max-age", "max_age", "For how long, 1s to 1h; default 10m"}});
  command->add_option("--count", *count, "End after so many frames");
  auto remote_command = std::make_shared<RemoteCommand>(*command);
  command->callback([=] {
    Stopper stopper;
    Interrupt interrupt([&stopper] { stopper.Stop(); });
    *exit_code = remote_command->Run([&](const Remote& remote) {
      v1::TailRequest request;
      RETURN_IF_ERROR(fields->Fill(request));
      if (*what == "user") {
        request.set_user_id(*which);
      } else if (*what == "session") {
        request.set_session_id(*which);
      } else {
        request.set_stream(*which);
      }
      AddressTo(request, remote.connection().app);
      if (remote_command->print_grpcurl()) return remote_command->PrintGrpcurl(remote, request);
      return Run(remote, request, Shower(remote_command->format(), *count), stopper, interrupt);
    });
  });
}

}  // namespace carillon::cli
