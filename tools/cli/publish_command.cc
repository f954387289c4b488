#include <unistd.h>

#include <optional>

#include "gateway/base/utf8.h"
#include "tools/cli/commands.h"
#include "tools/cli/fields.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/outcome.h"
#include "tools/cli/publish_several.h"
#include "tools/cli/remote.h"

// publish and send: one message by a call of its own, several over PublishStream.
namespace carillon::cli {
namespace {

using google::protobuf::Message;

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
      return LinesOfInput(*interrupt);
    }
    std::optional<PayloadTemplate> payload;
    if (json.has_value()) {
      if (!IsUtf8(*json)) return InvalidArgument("JSON: is not UTF-8");
      payload = PayloadTemplate::Literal(*json);
      if (!literal_) {
        ASSIGN_OR_RETURN(payload, PayloadTemplate::Parse(*json));
      }
    }
    return RepeatedMessage(std::move(payload), count_);
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

// Sets a field to a word of the command line.
Status SetWord(Message& request, const char* field, const char* name, const std::string& word) {
  Status status = SetField(request, field, word);
  return status.ok() ? status : InvalidArgument("{}: {}", name, MessageOf(status));
}

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
  return source.failure();
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
    SeveralMessages messages{*source, MessageFlags::FromLines(json), flags.rate(),
                             [&addressed](const std::optional<std::string>& each) { return addressed.With(each); }};
    return PublishSeveral(remote, messages, *interrupt, command.format());
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
                           RETURN_IF_ERROR(SetWord(*request, "stream", "STREAM", arguments->stream));
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
        return arguments->stream.empty() ? absl::OkStatus()
                                         : SetWord(*request, "stream", "--stream", arguments->stream);
      };
      if (arguments->all) {
        RETURN_IF_ERROR(fill(addressed.item.mutable_broadcast_all()));
      } else if (!to_user) {
        RETURN_IF_ERROR(fill(addressed.item.mutable_send_to_session()));
        RETURN_IF_ERROR(
            SetWord(*addressed.item.mutable_send_to_session(), "session_id", "--session", arguments->session));
      } else {
        auto* request = addressed.item.mutable_broadcast_to_user();
        RETURN_IF_ERROR(fill(request));
        RETURN_IF_ERROR(SetWord(*request, "user_id", "USER", arguments->words[0]));
        request->set_any_session(arguments->any_session);
      }
      return addressed;
    });
  });
}

}  // namespace carillon::cli
