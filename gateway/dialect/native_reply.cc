#include <fmt/format.h>

#include "carillon/v1/codes.pb.h"
#include "gateway/base/check.h"
#include "gateway/base/json_escape.h"
#include "gateway/dialect/native.h"
#include "gateway/wire/code_words.h"
#include "gateway/wire/envelope_json.h"

// What the gateway says in the native dialect.
namespace carillon::dialect {
namespace {

template <class... Kinds>
struct Overloaded : Kinds... {
  using Kinds::operator()...;
};
template <class... Kinds>
Overloaded(Kinds...) -> Overloaded<Kinds...>;  // C++20 does without; clang 14, which builds the fuzzers, does not

void AppendStreams(std::string& out, const std::vector<std::string>& streams) {
  out.push_back('[');
  for (size_t i = 0; i < streams.size(); ++i) {
    if (i > 0) out.push_back(',');
    AppendJsonString(out, streams[i]);
  }
  out.push_back(']');
}

void AppendRefusal(std::string& out, const Refusal& why) {
  CARILLON_DCHECK(wire::NumberOf(*v1::ClientErrorCode_descriptor(), why.code) != 0);
  out.append(R"("code":)");
  AppendJsonString(out, why.code);
  out.append(R"(,"message":)");
  AppendJsonString(out, why.message);
  out.append(why.temporary ? R"(,"temporary":true)" : R"(,"temporary":false)");
  if (why.retry_after_ms > 0) fmt::format_to(std::back_inserter(out), R"(,"retry_after_ms":{})", why.retry_after_ms);
}

void AppendRefusedStreams(std::string& out, const std::vector<RefusedStream>& refused) {
  out.push_back('[');
  for (size_t i = 0; i < refused.size(); ++i) {
    out.append(i > 0 ? R"(,{"stream":)" : R"({"stream":)");
    AppendJsonString(out, refused[i].stream);
    out.push_back(',');
    AppendRefusal(out, refused[i].why);
    out.push_back('}');
  }
  out.push_back(']');
}

std::string_view WordOf(Recovered recovered) {
  switch (recovered) {
    case Recovered::kNotAsked:
      break;
    case Recovered::kOk:
      return "ok";
    case Recovered::kEpochChanged:
      return "epoch_changed";
    case Recovered::kTrimmed:
      return "trimmed";
    case Recovered::kTooFar:
      return "too_far";
    case Recovered::kDisabled:
      return "disabled";
    case Recovered::kRevoked:
      return "revoked";
  }
  return "";
}

// ,"logs":{"chat":{"epoch":"x","offset":41,"top":44,"recovered":true,"reason":"ok"}}
void AppendLogs(std::string& out, const std::vector<LogState>& logs) {
  out.append(R"(,"logs":{)");
  for (size_t i = 0; i < logs.size(); ++i) {
    const LogState& log = logs[i];
    if (i > 0) out.push_back(',');
    AppendJsonString(out, log.log);
    out.append(":{");
    if (!log.at.epoch.empty()) {
      out.append(R"("epoch":)");
      AppendJsonString(out, log.at.epoch);
      fmt::format_to(std::back_inserter(out), R"(,"offset":{},"top":{})", log.at.offset, log.top);
    }
    if (log.recovered != Recovered::kNotAsked) {
      if (!log.at.epoch.empty()) out.push_back(',');
      fmt::format_to(std::back_inserter(out), R"("recovered":{},"reason":"{}")", log.recovered == Recovered::kOk,
                     WordOf(log.recovered));
    }
    out.push_back('}');
  }
  out.push_back('}');
}

void AppendUser(std::string& out, const UserInfo& user) {
  out.append(R"({"id":)");
  AppendJsonString(out, user.id);
  out.append(R"(,"name":)");
  AppendJsonString(out, user.name);
  out.append(R"(,"roles":[)");
  for (size_t i = 0; i < user.roles.size(); ++i) {
    if (i > 0) out.push_back(',');
    AppendJsonString(out, user.roles[i]);
  }
  out.append("]}");
}

void AppendData(std::string& out, const Welcome& welcome) {
  out.append(R"({"session":)");
  AppendJsonString(out, welcome.session);
  out.append(R"(,"user":)");
  if (welcome.user.has_value()) {
    AppendUser(out, *welcome.user);
  } else {
    out.append("null");
  }
  out.append(R"(,"streams":)");
  AppendStreams(out, welcome.streams);
  out.append(R"(,"refused":)");
  AppendRefusedStreams(out, welcome.refused);
  AppendLogs(out, welcome.logs);
  out.append(R"(,"resume":)");
  AppendJsonString(out, welcome.resume);
  fmt::format_to(std::back_inserter(out),
                 R"(,"heartbeat":{{"interval_ms":{},"timeout_ms":{}}},"limits":{{"max_message_bytes":{},)"
                 R"("max_subscriptions":{}}},"server_time":{}}})",
                 welcome.ping_interval_ms, welcome.peer_timeout_ms, welcome.max_message_bytes,
                 welcome.max_subscriptions, welcome.server_time_ms);
}

void AppendData(std::string& out, const Subscribed& reply) {
  out.append(R"({"streams":)");
  AppendStreams(out, reply.streams);
  out.append(R"(,"refused":)");
  AppendRefusedStreams(out, reply.refused);
  AppendLogs(out, reply.logs);
  out.push_back('}');
}

void AppendData(std::string& out, const Unsubscribed& reply) {
  out.append(R"({"streams":)");
  AppendStreams(out, reply.streams);
  out.push_back('}');
}

void AppendData(std::string& out, const SyncState& reply) {
  out.append(R"({"streams":)");
  AppendStreams(out, reply.streams);
  AppendLogs(out, reply.logs);
  fmt::format_to(std::back_inserter(out), R"(,"server_time":{}}})", reply.server_time_ms);
}

void AppendData(std::string& out, const PublishDone& reply) {
  out.push_back('{');
  if (!reply.stream.empty()) {
    out.append(R"("stream":)");
    AppendJsonString(out, reply.stream);
    out.push_back(',');
  }
  if (!reply.message_id.empty()) {
    out.append(R"("message_id":)");
    AppendJsonString(out, reply.message_id);
  }
  if (reply.position.has_value()) {
    out.append(R"(,"epoch":)");
    AppendJsonString(out, reply.position->epoch);
    fmt::format_to(std::back_inserter(out), R"(,"offset":{})", reply.position->offset);
  }
  out.push_back('}');
}

void AppendData(std::string& out, const Answer& reply) {
  out.append(R"({"event":)");
  AppendJsonString(out, reply.event);
  out.append(R"(,"data":)").append(reply.json).push_back('}');
}

void AppendData(std::string& out, const Members& reply) {
  out.append(R"({"stream":)");
  AppendJsonString(out, reply.stream);
  fmt::format_to(std::back_inserter(out), R"(,"count":{},"counts_only":{},"members":[)", reply.count,
                 reply.counts_only);
  for (size_t i = 0; i < reply.members.size(); ++i) {
    if (i > 0) out.push_back(',');
    wire::AppendMemberJson(out, reply.members[i]);
  }
  out.push_back(']');
  if (!reply.next.empty()) {
    out.append(R"(,"next":)");
    AppendJsonString(out, reply.next);
  }
  out.push_back('}');
}

void AppendData(std::string& out, const MoodSet& reply) {
  out.append(R"({"streams":)");
  AppendStreams(out, reply.streams);
  out.push_back('}');
}

void AppendData(std::string& out, const Pong& reply) {
  out.append(reply.echo.empty() ? "{}" : R"({"echo":)");
  if (!reply.echo.empty()) out.append(reply.echo).push_back('}');
}

void AppendData(std::string& out, const Authenticated& reply) {
  out.append(R"({"user":)");
  AppendUser(out, reply.user);
  out.append(R"(,"streams":)");
  AppendStreams(out, reply.streams);
  out.append(R"(,"refused":)");
  AppendRefusedStreams(out, reply.refused);
  AppendLogs(out, reply.logs);
  out.push_back('}');
}

void AppendData(std::string& out, const Error& reply) {
  out.push_back('{');
  AppendRefusal(out, reply.why);
  out.push_back('}');
}

void AppendData(std::string& out, const TokenExpiring& reply) {
  fmt::format_to(std::back_inserter(out), R"({{"expires_in_ms":{}}})", reply.expires_in_ms);
}

void AppendData(std::string& out, const Restart& reply) {
  fmt::format_to(std::back_inserter(out), R"({{"retry_after_ms":{}}})", reply.retry_after_ms);
}

void AppendData(std::string& out, const wire::Skip& skip) {
  constexpr std::string_view kNames[] = {"filtered", "excluded", "expired", "conflated", "dropped"};
  static_assert(std::size(kNames) == wire::kSkipReasons);
  out.append(R"({"stream":)");
  AppendJsonString(out, skip.log);
  if (!skip.to.epoch.empty()) {
    out.append(R"(,"epoch":)");
    AppendJsonString(out, skip.to.epoch);
    fmt::format_to(std::back_inserter(out), R"(,"offset":{})", skip.to.offset);
    if (skip.covers > skip.to.offset) fmt::format_to(std::back_inserter(out), R"(,"covers":{})", skip.covers);
  }
  for (size_t i = 0; i < wire::kSkipReasons; ++i) {
    if (skip.counts.of[i] > 0) {
      fmt::format_to(std::back_inserter(out), R"(,"{}":{})", kNames[i], skip.counts.of[i]);
    }
  }
  out.push_back('}');
}

std::string_view EventOf(const Reply& reply) {
  return std::visit(Overloaded{
                        [](const Welcome&) -> std::string_view { return "welcome"; },
                        [](const Subscribed&) -> std::string_view { return "subscribed"; },
                        [](const Unsubscribed&) -> std::string_view { return "unsubscribed"; },
                        [](const SyncState&) -> std::string_view { return "sync.state"; },
                        [](const PublishDone&) -> std::string_view { return "published"; },
                        [](const Answer&) -> std::string_view { return "answer"; },
                        [](const Members&) -> std::string_view { return "members"; },
                        [](const MoodSet&) -> std::string_view { return "presence"; },
                        [](const Pong&) -> std::string_view { return "pong"; },
                        [](const Authenticated&) -> std::string_view { return "authenticated"; },
                        [](const Error&) -> std::string_view { return "error"; },
                        [](const TokenExpiring&) -> std::string_view { return "token_expiring"; },
                        [](const Restart&) -> std::string_view { return "restart"; },
                        [](const wire::Skip&) -> std::string_view { return "skip"; },
                    },
                    reply);
}

template <class T>
concept HasId = requires(const T& reply) {
  reply.id;
};

// The id of the request that a reply answers; replies without one are notices.
std::string_view IdOf(const Reply& reply) {
  return std::visit(
      [](const auto& kind) -> std::string_view {
        if constexpr (HasId<decltype(kind)>) {
          return kind.id;
        } else {
          return {};
        }
      },
      reply);
}

}  // namespace

void NativeDialect::AppendReply(std::string& out, const Reply& reply) const {
  std::string text = R"({"stream":"system","event":")";
  text.append(EventOf(reply));
  text.append(R"(","data":)");
  std::visit([&](const auto& kind) { AppendData(text, kind); }, reply);
  text.append(R"(,"meta":{}})");
  if (std::string_view id = IdOf(reply); !id.empty()) {
    text.pop_back();
    text.append(R"(,"id":)").append(id).push_back('}');
  }
  wire::AppendFrame(out, wire::Opcode::kText, text);
}

void NativeDialect::AppendEnvelopeText(const v1::Envelope& envelope, std::string& out) {
  out.reserve(out.size() + envelope.json().size() + envelope.binary().size() * 4 / 3 + 160);
  out.append(R"({"stream":)");
  AppendJsonString(out, envelope.stream());
  out.append(R"(,"event":)");
  AppendJsonString(out, envelope.event());
  out.append(R"(,"data":)");
  wire::AppendPayloadJson(out, envelope);
  out.append(R"(,"meta":)");
  wire::AppendMetaJson(out, envelope);
  out.push_back('}');
}

void NativeDialect::AppendEnvelope(const v1::Envelope& envelope, std::string& out) {
  std::string text;
  AppendEnvelopeText(envelope, text);
  wire::AppendFrame(out, wire::Opcode::kText, text);
}

}  // namespace carillon::dialect
