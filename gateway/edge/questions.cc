#include "gateway/edge/questions.h"

#include <algorithm>

#include "carillon/v1/hooks.pb.h"
#include "gateway/auth/jws.h"
#include "gateway/base/utf8.h"
#include "gateway/edge/credentials.h"

namespace carillon::edge {
namespace {

constexpr uint32_t kUnansweredWaitMs = 1000;

v1::HookSession SessionOf(const auth::App& app, const hub::Session& session, const auth::Identity* identity) {
  v1::HookSession made;
  made.set_app(app.name);
  made.set_session_id(session.id().ToString());
  if (identity == nullptr) return made;
  made.set_user_id(identity->user_id);
  made.set_name(identity->name);
  made.mutable_roles()->Assign(identity->roles.begin(), identity->roles.end());
  made.mutable_labels()->insert(identity->labels.begin(), identity->labels.end());
  return made;
}

Question QuestionOf(hooks::Method method, const std::string& backend, const google::protobuf::Message& request) {
  return {method, backend, request.SerializeAsString()};
}

Question WhoIsQuestion(const auth::App& app, const v1::AuthenticateRequest& request) {
  Question question = QuestionOf(hooks::Method::kAuthenticate, app.hook.backend, request);
  question.rules = {app.tokens->rules()->claims, app.hook.lifetime};
  return question;
}

bool IsToken(std::string_view name) {
  return name == "token" || name == "access_token";
}

}  // namespace

bool IsForBackend(const auth::App& app, std::string_view token) {
  if (app.hook.backend.empty() || token.empty() || !IsUtf8(token)) return false;  // a proto's texts are UTF-8
  return !app.tokens->TakesTokens() || !auth::LooksLikeJws(token);
}

bool ShowsCookies(const auth::App& app, const HttpRequest& request) {
  return std::any_of(app.hook.cookies.begin(), app.hook.cookies.end(),
                     [&](const std::string& name) { return !CookieNamed(request, name).empty(); });
}

std::optional<Question> WhoIs(const auth::App& app, const HttpRequest& request, std::string_view token,
                              const std::string& endpoint, const Address& address) {
  if (app.hook.backend.empty() || (!token.empty() && !IsForBackend(app, token))) return std::nullopt;
  v1::AuthenticateRequest asked;
  for (const std::string& name : app.hook.cookies) {
    if (std::string_view value = CookieNamed(request, name); !value.empty() && IsUtf8(value)) {
      (*asked.mutable_cookies())[name] = std::string(value);
    }
  }
  for (const std::string& name : app.hook.headers) {
    if (std::string_view value = request.Header(name); !value.empty() && IsUtf8(value)) {
      (*asked.mutable_headers())[name] = std::string(value);
    }
  }
  if (token.empty() && asked.cookies().empty() && asked.headers().empty()) return std::nullopt;
  asked.set_app(app.name);
  asked.set_endpoint(endpoint);
  asked.set_address(address.to_string());
  asked.set_origin(std::string(request.Header("origin")));
  asked.set_token(std::string(token));
  for (const auto& [name, value] : request.query) {
    if (!IsToken(name) && IsUtf8(name) && IsUtf8(value)) asked.mutable_query()->insert({name, value});
  }
  return WhoIsQuestion(app, asked);
}

Question WhoIs(const auth::App& app, const hub::Session& session, const dialect::Auth& frame) {
  v1::AuthenticateRequest asked;
  asked.set_app(app.name);
  hub::Transport::Peer peer = session.peer();
  asked.set_endpoint(peer.endpoint);
  asked.set_address(peer.address);
  asked.set_token(frame.token);
  asked.set_handshake_json(frame.rest);
  return WhoIsQuestion(app, asked);
}

StatusOr<auth::IdentityPtr> IdentityOf(const auth::App& app, const Answers& answers,
                                       std::chrono::system_clock::time_point now) {
  if (!answers.identity.has_value()) return absl::UnavailableError("the backend was not asked");
  RETURN_IF_ERROR(answers.identity->status());
  const hooks::Authenticated& answer = **answers.identity;
  if (const auto* refusal = std::get_if<hooks::Refusal>(&answer)) {
    return absl::UnauthenticatedError(refusal->message.empty() ? "the backend does not know this client"
                                                               : refusal->message);
  }
  const auto& identity = std::get<auth::IdentityPtr>(answer);
  RETURN_IF_ERROR(app.tokens->denials().Check(*identity, now));
  return identity;
}

Question MaySubscribe(const auth::App& app, const hub::Session& session, const auth::Identity* identity,
                      const std::string& backend, const std::string& stream) {
  v1::AuthorizeSubscribeRequest asked;
  *asked.mutable_session() = SessionOf(app, session, identity);
  asked.set_stream(stream);
  Question question = QuestionOf(hooks::Method::kAuthorizeSubscribe, backend, asked);
  question.stream = stream;
  return question;
}

Question MayPublish(const auth::App& app, const hub::Session& session, const std::string& backend,
                    const dialect::Publish& command) {
  v1::AuthorizePublishRequest asked;
  *asked.mutable_session() = SessionOf(app, session, session.identity().get());
  asked.set_stream(command.stream);
  asked.set_event(command.event);
  asked.set_json(command.json);
  return QuestionOf(hooks::Method::kAuthorizePublish, backend, asked);
}

Question WhatOf(const auth::App& app, const hub::Session& session, const std::string& backend,
                const dialect::Publish& event) {
  v1::OnClientEventRequest asked;
  *asked.mutable_session() = SessionOf(app, session, session.identity().get());
  asked.set_event(event.event);
  asked.set_json(event.json);
  return QuestionOf(hooks::Method::kOnClientEvent, backend, asked);
}

void Change(const hooks::Accept& accept, dialect::Publish* said) {
  if (!accept.event.empty()) said->event = accept.event;
  if (!accept.json.empty()) said->json = accept.json;
}

dialect::Refusal Unanswered(const Status& status) {
  return {"unavailable", MessageOf(status), true, kUnansweredWaitMs};
}

dialect::Refusal RulesHaveChanged() {
  return {"unavailable", "the rules have changed meanwhile: say it again", true, kUnansweredWaitMs};
}

dialect::Refusal Withdrawn() {
  return {"withdrawn", "this was unsubscribed before it was let in"};
}

dialect::Refusal Rejected(const hooks::Refusal& refusal) {
  return {"rejected", refusal.message.empty() ? "the backend has refused it" : refusal.message};
}

}  // namespace carillon::edge
