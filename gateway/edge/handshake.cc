#include "gateway/edge/handshake.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "absl/strings/escaping.h"
#include "gateway/edge/credentials.h"
#include "gateway/edge/folding.h"
#include "gateway/wire/topic.h"

namespace carillon::edge {
namespace {

// The sub-protocols that are spoken; the first is what a client without one gets.
constexpr std::string_view kSubprotocols[] = {"carillon.v1.json"};

constexpr size_t kKeyBytes = 16;  // RFC 6455 section 4.1

constexpr size_t kMaxEpochBytes = 64;
constexpr size_t kMaxRecover = 1000;

// How many of its former selves a client is recognised by.
constexpr size_t kMaxResumed = 32;

std::optional<HttpError> CheckUpgrade(const HttpRequest& request) {
  if (request.method != "GET") {
    return HttpError{405, "method", "this path takes GET only", "", {{"Allow", "GET"}}};
  }
  if (!request.http_1_1)
    return HttpError{426, "version", "a WebSocket begins with HTTP/1.1", "", {{"Upgrade", "websocket"}}};
  if (!request.HeaderHasToken("upgrade", "websocket") || !request.HeaderHasToken("connection", "upgrade") ||
      request.Header("sec-websocket-version") != "13") {
    return HttpError{426,
                     "version",
                     "this path speaks WebSocket, version 13",
                     "",
                     {{"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}}};
  }
  std::string_view key = request.Header("sec-websocket-key");
  std::string raw;
  if (!absl::Base64Unescape(absl::string_view(key.data(), key.size()), &raw) || raw.size() != kKeyBytes ||
      absl::Base64Escape(raw) != key) {
    return HttpError{400, "key", "Sec-WebSocket-Key is not the base64 of 16 bytes", "", {}};
  }
  return std::nullopt;
}

// True where the client offered sub-protocols; *chosen is the one to confirm.
bool ChooseSubprotocol(const HttpRequest& request, std::string* chosen) {
  bool offered = false;
  for (const auto& [name, value] : request.headers) offered = offered || name == "sec-websocket-protocol";
  for (std::string_view known : kSubprotocols) {
    if (request.HeaderHasToken("sec-websocket-protocol", known)) {
      *chosen = known;
      break;
    }
  }
  return offered;
}

template <class Number>
bool ParseNumber(std::string_view text, Number* number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

// EPOCH:OFFSET
bool ParsePosition(std::string_view text, dialect::Wanted* wanted) {
  size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon > kMaxEpochBytes) return false;
  wanted->kind = dialect::Wanted::Kind::kPosition;
  wanted->position.epoch = std::string(text.substr(0, colon));
  return ParseNumber(text.substr(colon + 1), &wanted->position.offset);
}

// ?recover=STREAM:EPOCH:OFFSET,… : names hold colons, epochs and offsets do not.
bool ParseRecover(std::string_view text, dialect::WantedByStream* wanted) {
  std::vector<std::string> entries;
  AddStreams(text, &entries);
  for (std::string_view entry : entries) {
    size_t offset = entry.rfind(':');
    size_t epoch = offset == 0 || offset == std::string_view::npos ? offset : entry.rfind(':', offset - 1);
    if (epoch == std::string_view::npos || epoch == 0 || wanted->streams.size() == kMaxRecover) return false;
    dialect::Wanted& added = wanted->streams[std::string(entry.substr(0, epoch))];
    if (!ParsePosition(entry.substr(epoch + 1), &added)) return false;
  }
  return true;
}

// ?since=latest, last:10, time:1700000000000 or EPOCH:OFFSET.
bool ParseSince(std::string_view text, dialect::Wanted* wanted) {
  using Kind = dialect::Wanted::Kind;
  auto take = [&text](std::string_view prefix) {
    bool has = text.starts_with(prefix);
    if (has) text.remove_prefix(prefix.size());
    return has;
  };
  if (text == "latest") {
    wanted->kind = Kind::kLatest;
    return true;
  }
  if (take("last:")) {
    wanted->kind = Kind::kLast;
    return ParseNumber(text, &wanted->last);
  }
  if (take("time:")) {
    wanted->kind = Kind::kTime;
    return ParseNumber(text, &wanted->time_ms) && wanted->time_ms >= 0;
  }
  return ParsePosition(text, wanted);
}

}  // namespace

std::vector<SessionId> ParseResume(std::string_view text) {
  std::vector<SessionId> ids;
  while (!text.empty() && ids.size() < kMaxResumed) {
    size_t dot = std::min(text.find('.'), text.size());
    auto id = SessionId::Parse(text.substr(0, dot));
    if (!id.has_value()) return {};
    ids.push_back(*id);
    text.remove_prefix(std::min(dot + 1, text.size()));
  }
  return ids;
}

std::string ResumeText(const hub::Session& session) {
  std::string text;
  const std::vector<SessionId>& before = session.resumes();
  size_t first = before.size() < kMaxResumed ? 0 : before.size() - kMaxResumed + 1;
  for (size_t i = first; i < before.size(); ++i) text.append(before[i].ToString()).push_back('.');
  return text.append(session.id().ToString());
}

void AddStreams(std::string_view list, std::vector<std::string>* streams) {
  while (!list.empty()) {
    size_t comma = std::min(list.find(','), list.size());
    if (comma > 0) streams->emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
}

Verdict Judge(const HttpRequest& request, const auth::App& app, const EndpointRules& endpoint,
              const RequestFacts& facts, bool* unknown_key) {
  *unknown_key = false;
  if (auto error = CheckUpgrade(request)) return *std::move(error);
  if (std::string_view origin = request.Header("origin"); !app.origins.Allows(origin, request.Header("host"))) {
    return HttpError{
        403,
        "origin",
        fmt::format("pages of the origin {} may not connect; an operator can add it", origin.substr(0, 200)),
        app.is_default() ? "edge.allowed_origins" : "apps[].allowed_origins",
        {}};
  }
  Admission admission;
  admission.endpoint = &endpoint;
  admission.app = app.id;
  admission.websocket_key = std::string(request.Header("sec-websocket-key"));
  if (ChooseSubprotocol(request, &admission.subprotocol) && admission.subprotocol.empty() &&
      endpoint.require_subprotocol) {
    return HttpError{400,
                     "subprotocol",
                     "none of the offered sub-protocols is spoken here: try carillon.v1.json",
                     "edge.endpoints[].require_subprotocol",
                     {}};
  }

  auto found = FindCredentials(request, app.cookie);
  if (auto* error = std::get_if<HttpError>(&found)) return std::move(*error);
  const auto& [token, token_from_cookie] = std::get<Credentials>(found);
  std::optional<Question> question = WhoIs(app, request, token, endpoint.path, facts.address);
  bool cookies = token_from_cookie || (question.has_value() && ShowsCookies(app, request));
  bool from_cookie = token_from_cookie || (cookies && token.empty());
  // Without an Origin the browser says at least whether another site's page has its hand in this (W3C Fetch Metadata).
  if (cookies && request.Header("origin").empty() && request.Header("sec-fetch-site") == "cross-site") {
    return HttpError{403, "origin", "a cookie does not count in requests of other sites' pages", "auth.cookie", {}};
  }
  bool asked = question.has_value();
  if (asked && facts.answers == nullptr) return *std::move(question);
  std::optional<HttpError> refused;
  if (!token.empty() || asked) {
    auto identity = asked ? IdentityOf(app, *facts.answers, facts.now) : app.tokens->Verify(token, facts.now);
    *unknown_key = auth::IsUnknownKey(identity.status());
    if (identity.ok()) {
      admission.identity = *std::move(identity);
    } else if (absl::IsUnavailable(identity.status())) {
      return HttpError{503,
                       asked ? "hook" : "keys",
                       MessageOf(identity.status()),
                       asked ? "auth.hook" : "auth.keys[].jwks_url",
                       {{"Retry-After", "2"}}};
    } else if (absl::IsPermissionDenied(identity.status())) {
      refused = HttpError{403, "blocked", MessageOf(identity.status()), "", {}};
    } else if (from_cookie && endpoint.anonymous) {
      // It was not meant: whoever had a session once is nobody now.
    } else if (from_cookie && endpoint.session.auth_timeout.count() > 0) {
      admission.owes_auth = true;  // a page cannot take its cookie away, but it can send a token
    } else {
      refused = Unauthorized(MessageOf(identity.status()), true);
    }
  } else if (!endpoint.anonymous) {
    admission.owes_auth = endpoint.session.auth_timeout.count() > 0;
    if (!admission.owes_auth) refused = Unauthorized("a token is needed", false);
  }
  if (refused.has_value()) {
    if (!endpoint.close_on_refusal) return *std::move(refused);
    admission.refused_because = refused->message;
    if (refused->status == 403) admission.refused_with = wire::CloseCode::kForbidden;
    return admission;
  }

  AddStreams(facts.path_stream, &admission.streams);
  for (const auto& [name, value] : request.query) {
    if (name == "streams") AddStreams(value, &admission.streams);
    if (name == "recover" && !ParseRecover(value, &admission.wanted)) {
      return HttpError{400, "malformed", "recover is not of the form STREAM:EPOCH:OFFSET,…", "", {}};
    }
    if (name == "since" && !ParseSince(value, &admission.wanted.otherwise)) {
      return HttpError{400, "malformed", "since is none of latest, last:10, time:MILLISECONDS, EPOCH:OFFSET", "", {}};
    }
    if (name == "resume") {
      admission.resumes = ParseResume(value);
      if (admission.resumes.empty() && !value.empty()) {
        return HttpError{400, "malformed", "resume is not what a welcome said", "", {}};
      }
    }
  }
  if (admission.identity != nullptr) {
    const std::vector<std::string>& granted = admission.identity->streams;
    admission.streams.insert(admission.streams.end(), granted.begin(), granted.end());
  }
  if (app.fold_names) {
    FoldNames(&admission.streams);
    FoldNames(&admission.wanted);
  }
  return admission;
}

}  // namespace carillon::edge
