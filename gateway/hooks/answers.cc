#include "gateway/hooks/answers.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "carillon/v1/hooks.pb.h"
#include "gateway/base/utf8.h"
#include "gateway/wire/json_check.h"
#include "gateway/wire/topic.h"

namespace carillon::hooks {
namespace {

namespace json = boost::json;

constexpr size_t kMaxMessageBytes = 200;
constexpr size_t kMaxEventBytes = 128;
constexpr std::string_view kOwnEvents = "presence.";  // which only the gateway publishes

// The last second that Timestamp's own range has, and that our clock can hold.
constexpr int64_t kLastSecond = 9'223'372'036;

Status NoAnswer(std::string_view why) {
  return InvalidArgument("{}", why);
}

Refusal RefusalOf(const std::string& message) {
  return {std::string(Utf8Front(message, kMaxMessageBytes))};
}

template <class Message>
StatusOr<Message> Parse(const std::string& bytes) {
  Message message;
  if (!message.ParseFromString(bytes)) return NoAnswer("the bytes are not of this message");
  return message;
}

json::array ArrayOf(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}

// As the claims of a token, so that one set of rules judges both.
json::object ClaimsOf(const v1::HookUser& user) {
  json::object claims;
  claims["sub"] = user.user_id();
  claims["name"] = user.name();
  claims["roles"] = ArrayOf(user.roles());
  claims["streams"] = ArrayOf(user.streams());
  json::object labels;
  for (const auto& [label, value] : user.labels()) labels[label] = value;
  claims["labels"] = std::move(labels);
  return claims;
}

StatusOr<auth::Identity> IdentityOf(const v1::HookUser& user, const IdentityRules& rules) {
  json::object claims = ClaimsOf(user);
  auth::ClaimRules how;
  how.stream.clear();  // no answer is for one stream alone
  how.subscribe = rules.claims.subscribe;
  how.fold_names = rules.claims.fold_names;
  if (!wire::CheckUserId(user.user_id()).ok()) return NoAnswer("user.user_id is missing or not a user id");
  if (!user.info_json().empty()) {
    if (!wire::CheckJson(user.info_json()).ok()) return NoAnswer("info_json is not JSON");
    how.info = "info";
    claims["info"] = json::parse(user.info_json());
  }
  return auth::IdentityOf(claims, how);
}

StatusOr<Accept> ReadAccept(const v1::HookAccept& accept, size_t most) {
  bool sound = accept.event().size() <= kMaxEventBytes && !accept.event().starts_with(kOwnEvents) &&
               std::none_of(accept.event().begin(), accept.event().end(),
                            [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  if (!sound) return NoAnswer("the event's name is too long, the gateway's own, or has control characters");
  if (accept.json().size() > most) return NoAnswer("json is larger than limits.max_publish_bytes");
  if (!accept.json().empty() && !wire::CheckJson(accept.json()).ok()) return NoAnswer("json is not JSON");
  return Accept{accept.event(), accept.json()};
}

}  // namespace

StatusOr<Authenticated> ReadAuthenticated(const std::string& bytes, const IdentityRules& rules,
                                          std::chrono::system_clock::time_point now) {
  ASSIGN_OR_RETURN(v1::AuthenticateResponse response, Parse<v1::AuthenticateResponse>(bytes));
  if (response.has_refusal()) return Authenticated(RefusalOf(response.refusal().message()));
  if (!response.has_user()) return NoAnswer("the outcome is missing");
  const v1::HookUser& user = response.user();
  auto identity = IdentityOf(user, rules);
  if (!identity.ok()) return NoAnswer(MessageOf(identity.status()));
  identity->token_id = user.token_id().substr(0, auth::kMaxTokenIdBytes);
  identity->issued_at = now;
  identity->expires_at = now + rules.lifetime;
  if (user.has_expires_at()) {
    int64_t seconds = user.expires_at().seconds();
    if (seconds < 0 || seconds >= kLastSecond) return NoAnswer("expires_at is not a time that there is");
    identity->expires_at = std::chrono::system_clock::time_point(
        std::chrono::seconds(seconds) + std::chrono::nanoseconds(user.expires_at().nanos() % 1'000'000'000));
  }
  if (identity->expires_at <= now) return Authenticated(Refusal{"the session has ended"});
  identity->valid_until = identity->expires_at;
  return Authenticated(std::make_shared<const auth::Identity>(*std::move(identity)));
}

StatusOr<SubscribeVerdict> ReadSubscribeVerdict(const std::string& bytes) {
  ASSIGN_OR_RETURN(v1::AuthorizeSubscribeResponse response, Parse<v1::AuthorizeSubscribeResponse>(bytes));
  if (response.allowed()) return SubscribeVerdict();
  return SubscribeVerdict(RefusalOf(response.message()));
}

StatusOr<PublishVerdict> ReadPublishVerdict(const std::string& bytes, size_t most) {
  ASSIGN_OR_RETURN(v1::AuthorizePublishResponse response, Parse<v1::AuthorizePublishResponse>(bytes));
  if (response.has_refusal()) return PublishVerdict(RefusalOf(response.refusal().message()));
  if (!response.has_accept()) return NoAnswer("the outcome is missing");
  ASSIGN_OR_RETURN(Accept accept, ReadAccept(response.accept(), most));
  return PublishVerdict(std::move(accept));
}

StatusOr<EventVerdict> ReadEventVerdict(const std::string& bytes, size_t most) {
  ASSIGN_OR_RETURN(v1::OnClientEventResponse response, Parse<v1::OnClientEventResponse>(bytes));
  if (response.has_refusal()) return EventVerdict(RefusalOf(response.refusal().message()));
  if (response.has_accept()) {
    ASSIGN_OR_RETURN(Accept accept, ReadAccept(response.accept(), most));
    return EventVerdict(std::move(accept));
  }
  if (!response.has_answer()) return NoAnswer("the outcome is missing");
  const std::string& text = response.answer().json();
  if (text.size() > most) return NoAnswer("json is larger than limits.max_publish_bytes");
  if (!text.empty() && !wire::CheckJson(text).ok()) return NoAnswer("json is not JSON");
  return EventVerdict(Answer{text.empty() ? "null" : text});
}

}  // namespace carillon::hooks
