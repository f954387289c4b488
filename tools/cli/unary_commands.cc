#include <cstdio>

#include "carillon/v1/admin.pb.h"
#include "carillon/v1/control.pb.h"
#include "carillon/v1/schema.pb.h"
#include "tools/cli/commands.h"
#include "tools/cli/fields.h"
#include "tools/cli/outcome.h"
#include "tools/cli/remote.h"

// The commands that are one call each: their arguments are the request's fields, their columns the answer's.
namespace carillon::cli {
namespace {

namespace json = boost::json;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr int kPageSize = 1000;  // the most that there is: a list is walked once a page

struct UnaryCommand {
  const char* name;
  const char* group;
  const char* help;
  const Message* request;
  std::vector<Field> fields;
  std::vector<Column> columns;
  const char* rows = nullptr;  // the answer's field that is listed, page by page; null: the answer is one thing
};

// "gateway draining (12 left, by SIGTERM), endpoint /ws drained (0 left, by operator)"
std::string ShowDrains(const json::value& drains) {
  std::string text;
  for (const json::value& each : drains.as_array()) {
    const json::object& drain = each.as_object();
    const json::value* app = drain.if_contains("app_name");
    const json::value* endpoint = drain.if_contains("endpoint");
    text += fmt::format("{}{}{} {} ({} left, by {})", text.empty() ? "" : ", ",
                        app != nullptr        ? "app "
                        : endpoint != nullptr ? "endpoint "
                                              : "gateway",
                        app != nullptr        ? ShowPlain(*app)
                        : endpoint != nullptr ? ShowPlain(*endpoint)
                                              : "",
                        ShowWord(drain.at("state")), ShowPlain(drain.at("sessions")), ShowPlain(drain.at("asked_by")));
  }
  return text;
}

// "main closed, other open"
std::string ShowBackends(const json::value& hooks) {
  std::string text;
  for (const json::value& each : hooks.as_array()) {
    const json::object& hook = each.as_object();
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", ShowPlain(hook.at("name")), ShowWord(hook.at("breaker")));
  }
  return text;
}

const std::vector<Column> kCount = {{"sessions", "sessions"}};

std::vector<UnaryCommand> UnaryCommands() {
  return {
      {"streams",
       kLook,
       "List the streams that have subscribers",
       &v1::ListStreamsRequest::default_instance(),
       {{"pattern", "pattern", "Only names that match: * stands for any characters, ? for one, [a-z] for a set"},
        {"--min-sessions", "min_sessions", "Only streams with at least so many subscribers"}},
       {{"STREAM", "stream"}, {"SESSIONS", "sessions"}},
       "streams"},
      {"stream",
       kLook,
       "One stream: its rule, who is there, what its log holds",
       &v1::GetStreamRequest::default_instance(),
       {{"stream", "stream", "The stream's name", true}},
       {{"stream", "stream.stream"},
        {"sessions", "stream.sessions"},
        {"members", "members"},
        {"rule", "rule"},
        {"description", "description"},
        {"log epoch", "log.top.epoch"},
        {"newest offset", "log.top.offset"},
        {"oldest offset", "log.oldest_offset"},
        {"oldest time", "log.oldest_time"}}},
      {"subs",
       kLook,
       "List the sessions that subscribe to a stream, or belong to a user",
       &v1::SubscribersRequest::default_instance(),
       {{"stream", "stream", "The stream's name"}, {"-u,--user", "user_id", "In place of a stream: the user's id"}},
       {{"SESSION", "session_id"}, {"USER", "user_id"}, {"CONNECTED", "connected_time"}, {"LABELS", "labels"}},
       "subscribers"},
      {"sessions",
       kLook,
       "List the sessions: who is connected, from where, and what waits for them",
       &v1::ListSessionsRequest::default_instance(),
       {{"-u,--user", "user_id", "Only sessions of this user"},
        {"--label", "labels", "Only sessions that have this label; may be repeated"}},
       {{"SESSION", "session_id"},
        {"USER", "user_id"},
        {"NAME", "name"},
        {"ADDRESS", "address"},
        {"ENDPOINT", "endpoint"},
        {"AGE", "age", ShowDuration},
        {"STREAMS", "streams"},
        {"WAITING", "backlog.messages"},
        {"BYTES", "backlog.bytes"},
        {"LOST", "backlog.messages_lost"}},
       "sessions"},
      {"session",
       kLook,
       "One session, with its streams",
       &v1::GetSessionRequest::default_instance(),
       {{"session", "session_id", "The session's id", true},
        {"--measure", "measure_for",
         "Watch it for so long, at most 10s, and say how many messages a second it is sent and says"}},
       {{"session", "session.session_id"},
        {"user", "session.user_id"},
        {"name", "session.name"},
        {"roles", "session.roles"},
        {"labels", "session.labels"},
        {"address", "session.address"},
        {"endpoint", "session.endpoint"},
        {"connected", "session.connected_time"},
        {"age", "session.age", ShowDuration},
        {"token ends", "session.token_expire_time"},
        {"messages sent", "session.messages_queued"},
        {"messages said", "session.messages_said"},
        {"waiting", "session.backlog.messages"},
        {"waiting bytes", "session.backlog.bytes"},
        {"waiting since", "session.backlog.age", ShowDuration},
        {"lost", "session.backlog.messages_lost"},
        {"sent a second", "rates.queued"},
        {"said a second", "rates.said"},
        {"streams", "streams"}}},
      {"presence",
       kLook,
       "List the users who are in a stream",
       &v1::GetPresenceRequest::default_instance(),
       {{"stream", "stream", "The stream's name", true}},
       {{"USER", "user_id"},
        {"NAME", "name"},
        {"STATUS", "status", ShowWord},
        {"TEXT", "text"},
        {"JOINED", "join_time"},
        {"SESSIONS", "sessions"},
        {"INFO", "info"}},
       "members"},
      {"history",
       kLook,
       "List the messages that a log keeps, the oldest first",
       &v1::ListMessagesRequest::default_instance(),
       {{"stream", "stream", "The stream's name"},
        {"-u,--user", "user_id", "In place of a stream: the inbox of this user"},
        {"--after", "after", "Only messages after this position, EPOCH:OFFSET"}},
       {{"TIME", "time"},
        {"EPOCH", "position.epoch"},
        {"OFFSET", "position.offset"},
        {"STREAM", "stream"},
        {"EVENT", "event"},
        {"META", "meta"},
        {"DATA", "json"}},
       "messages"},
      {"nodes",
       kLook,
       "List the gateways that are one with this one",
       &v1::ListNodesRequest::default_instance(),
       {},
       {{"NODE", "node_id"},
        {"VERSION", "version"},
        {"STARTED", "started_time"},
        {"SESSIONS", "sessions"},
        {"SHARDS", "shards"},
        {"DRAINING", "draining"},
        {"DRAINS", "drains", ShowDrains},
        {"BACKENDS", "hooks", ShowBackends}},
       "nodes"},
      {"schemas",
       kLook,
       "List the sets of message types that payloads are checked against",
       &v1::ListSchemasRequest::default_instance(),
       {},
       {{"SET", "name"},
        {"TYPES", "types"},
        {"BYTES", "bytes"},
        {"CONFIGURED", "configured"},
        {"REGISTERED", "register_time"}},
       "sets"},
      {"bindings",
       kLook,
       "List which streams and events are bound to a message type",
       &v1::ListSchemasRequest::default_instance(),
       {},
       {{"STREAM", "stream"},
        {"EVENT", "event"},
        {"TYPE", "type"},
        {"CONFIGURED", "configured"},
        {"TYPE MISSING", "type_missing"}},
       "bindings"},
      {"blocked",
       kLook,
       "List the users that are blocked",
       &v1::ListBlockedUsersRequest::default_instance(),
       {},
       {{"USER", "user_id"}, {"UNTIL", "expire_time"}, {"REASON", "reason"}},
       "users"},
      {"kick",
       kAct,
       "Close sessions: a user's, one, or all that subscribe to a stream",
       &v1::KickRequest::default_instance(),
       {{"user", "user_id", "The user's id"},
        {"--session", "session_id", "In place of a user: one session"},
        {"--stream", "stream", "In place of a user: all that subscribe to this stream"},
        {"--code", "code", "The close code: 1000, 1008 or 3000 to 4999; default 4005"},
        {"--reason", "reason", "What the client reads; default \"kicked\""}},
       kCount},
      {"subscribe",
       kAct,
       "Subscribe a user's sessions to a stream",
       &v1::SubscribeUserRequest::default_instance(),
       {{"user", "user_id", "The user's id", true},
        {"stream", "stream", "The stream's name", true},
        {"--session", "session_id", "Only this session of the user"}},
       {{"sessions", "sessions"}, {"refused", "refused"}}},
      {"unsubscribe",
       kAct,
       "Take a stream from a user's sessions",
       &v1::UnsubscribeUserRequest::default_instance(),
       {{"user", "user_id", "The user's id", true},
        {"stream", "stream", "The stream's name", true},
        {"--session", "session_id", "Only this session of the user"}},
       kCount},
      {"block",
       kAct,
       "Keep a user out, and close the user's sessions",
       &v1::BlockUserRequest::default_instance(),
       {{"user", "user_id", "The user's id", true},
        {"--for", "duration", "For how long, such as 1h; default until unblock, or a restart"},
        {"--reason", "reason", "What the client reads"}},
       kCount},
      {"unblock",
       kAct,
       "Let a blocked user in again",
       &v1::UnblockUserRequest::default_instance(),
       {{"user", "user_id", "The user's id", true}},
       {{"was blocked", "was_blocked"}}},
      {"register",
       kAct,
       "Register a set of message types: what protoc --include_imports --descriptor_set_out has written",
       &v1::RegisterDescriptorsRequest::default_instance(),
       {{"name", "name", "The set's name; one that is there already is replaced", true},
        {"file", "descriptor_set", "The file", true}},
       {{"types", "types"}, {"replaced", "replaced"}}},
      {"unregister",
       kAct,
       "Remove a registered set of message types",
       &v1::RegisterDescriptorsRequest::default_instance(),
       {{"name", "name", "The set's name", true}},
       {{"was there", "replaced"}}},
      {"bind",
       kAct,
       "Check the payloads of a stream's events against a message type",
       &v1::BindStreamRequest::default_instance(),
       {{"stream", "stream", "The stream, or a pattern such as orders-*", true},
        {"event", "event", "The event, or a pattern", true},
        {"type", "type", "The message type, such as shop.v1.Order", true}},
       {{"replaced", "replaced"}}},
      {"unbind",
       kAct,
       "Check the payloads of a stream's events no longer",
       &v1::BindStreamRequest::default_instance(),
       {{"stream", "stream", "The stream or pattern, as it was bound", true},
        {"event", "event", "The event or pattern, as it was bound", true}},
       {{"was bound", "replaced"}}},
      {"revoke",
       kAct,
       "Revoke tokens: those that a user has now, or one by its id",
       &v1::RevokeTokensRequest::default_instance(),
       {{"user", "user_id", "The user's id"},
        {"--token-id", "token_id", "In place of a user: the token with this \"jti\""},
        {"--before", "issued_before", "With a user: tokens issued before this time (RFC 3339); default now"}},
       kCount},
  };
}

// Whoever did not answer in time is missing in the answer.
void WarnIfPartial(const Message& response) {
  const FieldDescriptor* field = response.GetDescriptor()->FindFieldByName("partial");
  if (field != nullptr && response.GetReflection()->GetBool(response, field)) {
    Say("warning: a part of the gateway did not answer in time: this is not all");
  }
}

void SetPage(Message& request, int size, const std::string& token) {
  const auto& type = *request.GetDescriptor();
  const FieldDescriptor* page_size = type.FindFieldByName("page_size");
  if (page_size == nullptr) return;
  request.GetReflection()->SetInt32(&request, page_size, size);
  request.GetReflection()->SetString(&request, type.FindFieldByName("page_token"), token);
}

std::string NextPage(const Message& response) {
  const FieldDescriptor* field = response.GetDescriptor()->FindFieldByName("next_page_token");
  return field == nullptr ? "" : response.GetReflection()->GetString(response, field);
}

Status List(const Remote& remote, const UnaryCommand& what, Message& request, Format format, uint64_t limit) {
  ListPrinter printer(format, what.columns);
  uint64_t left = limit == 0 ? UINT64_MAX : limit;
  std::string token;
  do {
    SetPage(request, static_cast<int>(std::min<uint64_t>(left, kPageSize)), token);
    auto response = ResponseTo(request);
    RETURN_IF_ERROR(remote.Call(request, response.get()));
    WarnIfPartial(*response);
    const FieldDescriptor* rows = response->GetDescriptor()->FindFieldByName(what.rows);
    for (int i = 0; i < response->GetReflection()->FieldSize(*response, rows) && left > 0; ++i, --left) {
      RETURN_IF_ERROR(printer.Add(RowOf(response->GetReflection()->GetRepeatedMessage(*response, rows, i))));
    }
    RETURN_IF_ERROR(printer.Flush());
    token = NextPage(*response);
  } while (!token.empty() && left > 0);
  return printer.End();
}

Status Get(const Remote& remote, const UnaryCommand& what, const Message& request, Format format) {
  std::chrono::milliseconds longer{0};
  if (const auto* get = dynamic_cast<const v1::GetSessionRequest*>(&request)) {
    longer = std::chrono::seconds(get->measure_for().seconds() + 1);  // the answer takes as long as was asked for
  }
  auto response = ResponseTo(request);
  RETURN_IF_ERROR(remote.Call(request, response.get(), longer));
  WarnIfPartial(*response);
  return PrintRecord(format, RowOf(*response), what.columns);
}

}  // namespace

void AddUnaryCommands(CLI::App& app, int* exit_code) {
  for (UnaryCommand& made : UnaryCommands()) {
    auto what = std::make_shared<const UnaryCommand>(std::move(made));
    CLI::App* command = app.add_subcommand(what->name, what->help)->group(what->group);
    auto fields = std::make_shared<FieldFlags>(*command, *what->request->GetDescriptor(), what->fields);
    auto limit = std::make_shared<uint64_t>(0);
    if (what->rows != nullptr) command->add_option("--limit", *limit, "Stop after so many; default all of them");
    auto remote_command = std::make_shared<RemoteCommand>(*command);
    command->callback([=] {
      *exit_code = remote_command->Run([&](const Remote& remote) {
        std::unique_ptr<Message> request(what->request->New());
        RETURN_IF_ERROR(fields->Fill(*request));
        AddressTo(*request, remote.connection().app);
        if (remote_command->print_grpcurl()) {
          if (what->rows != nullptr) SetPage(*request, static_cast<int>(std::min<uint64_t>(*limit, kPageSize)), "");
          return remote_command->PrintGrpcurl(remote, *request);
        }
        return what->rows == nullptr ? Get(remote, *what, *request, remote_command->format())
                                     : List(remote, *what, *request, remote_command->format(), *limit);
      });
    });
  }
}

}  // namespace carillon::cli
