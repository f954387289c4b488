#include "gateway/edge/tapping.h"

#include <fmt/format.h>

#include "gateway/base/json_escape.h"
#include "gateway/hub/tap.h"

namespace carillon::edge {
namespace {

// {"streams":["a","b"]}
std::string StreamsJson(const std::vector<std::string>& streams) {
  std::string json = R"({"streams":[)";
  for (const std::string& stream : streams) {
    if (json.back() != '[') json.push_back(',');
    AppendJsonString(json, stream);
  }
  return json.append("]}");
}

// Only what is named here is shown, so that nothing secret gets out by being new.
hub::Said SaidOf(const dialect::Subscribe& command) {
  return {.action = "subscribe", .json = StreamsJson(command.streams)};
}
hub::Said SaidOf(const dialect::Unsubscribe& command) {
  return {.action = "unsubscribe", .json = StreamsJson(command.streams)};
}
hub::Said SaidOf(const dialect::Ping& command) {
  return {.action = "ping", .json = command.echo};
}
hub::Said SaidOf(const dialect::Auth&) {
  return {.action = "auth", .secret = true};
}
hub::Said SaidOf(const dialect::Publish& command) {
  bool secret = hub::IsSecretEvent(command.event);
  return {.action = "publish",
          .stream = command.stream,
          .event = command.event,
          .json = secret ? "" : command.json,
          .secret = secret};
}
hub::Said SaidOf(const dialect::ListMembers& command) {
  return {.action = "members", .stream = command.stream};
}
hub::Said SaidOf(const dialect::SetMood& command) {
  std::string json = R"({"text":)";
  AppendJsonString(json, command.mood.text);
  return {.action = "presence", .stream = command.stream, .json = json.append("}")};
}
hub::Said SaidOf(const dialect::Sync&) {
  return {.action = "sync"};
}
hub::Said SaidOf(const dialect::Echo&) {
  return {.action = "echo"};
}
hub::Said SaidOf(const dialect::Nonsense& command) {
  return {.action = "error", .event = std::string(command.code), .secret = true};
}
hub::Said SaidOf(const dialect::Refused&) {
  return {.action = "error", .secret = true};
}

}  // namespace

void ShowSaid(const hub::Session& session, const dialect::Command& command, size_t bytes) {
  hub::Said said = std::visit([](const auto& kind) { return SaidOf(kind); }, command);
  said.bytes = bytes;
  hub::TapSaid(session, said);
}

}  // namespace carillon::edge
