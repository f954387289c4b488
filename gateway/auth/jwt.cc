#include "gateway/auth/jwt.h"

#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "gateway/auth/json_object.h"

namespace carillon::auth {
namespace {

namespace json = boost::json;
using Time = std::chrono::system_clock::time_point;

Status Refuse(const std::string& reason) {
  return absl::UnauthenticatedError(reason);
}

// Seconds since 1970, whole or not (RFC 7519 section 2, NumericDate).
StatusOr<std::optional<Time>> TimeClaim(const json::object& claims, const char* name) {
  const json::value* value = claims.if_contains(name);
  if (value == nullptr) return std::optional<Time>();
  constexpr double kYear9999 = 253402300799.0;
  json::error_code error;
  double seconds = value->is_number() ? value->to_number<double>(error) : -1.0;
  if (error || !(seconds >= 0.0 && seconds <= kYear9999)) {
    return Refuse(fmt::format("the token's \"{}\" is not a time", name));
  }
  // The clock counts nanoseconds and ends in 2262; what is later is as good as never.
  constexpr double kNever = 9'000'000'000.0;
  return std::optional<Time>(Time(std::chrono::seconds(static_cast<int64_t>(std::min(seconds, kNever)))));
}

Status CheckAudience(const json::object& claims, const std::string& audience) {
  if (audience.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(std::vector<std::string> list, ListClaim(claims, "aud"));
  if (std::find(list.begin(), list.end(), audience) == list.end()) {
    return Refuse("the token's \"aud\" does not name this gateway");
  }
  return absl::OkStatus();
}

Status CheckTimes(const json::object& claims, const TokenRules& rules, Time now, Identity* identity) {
  ASSIGN_OR_RETURN(std::optional<Time> expires, TimeClaim(claims, "exp"));
  if (!expires.has_value()) return Refuse("the token has no \"exp\"");
  if (now >= *expires + rules.leeway) return Refuse("the token has expired");
  ASSIGN_OR_RETURN(std::optional<Time> not_before, TimeClaim(claims, "nbf"));
  if (not_before.has_value() && now + rules.leeway < *not_before) return Refuse("the token is not valid yet");
  ASSIGN_OR_RETURN(std::optional<Time> issued, TimeClaim(claims, "iat"));
  if (issued.has_value() && now + rules.leeway < *issued) return Refuse("the token's \"iat\" is in the future");
  if (rules.max_lifetime.count() > 0 && *expires - issued.value_or(now) > rules.max_lifetime) {
    return Refuse(
        fmt::format("the token lives longer than {} s (config: auth.max_lifetime)", rules.max_lifetime.count()));
  }
  identity->expires_at = *expires;
  identity->valid_until = *expires + rules.leeway;
  identity->issued_at = issued.value_or(Time());
  return absl::OkStatus();
}

}  // namespace

StatusOr<Identity> VerifyJwt(std::string_view token, const TokenRules& rules, Time now) {
  ASSIGN_OR_RETURN(std::string payload, VerifyJws(token, rules.keys));
  ASSIGN_OR_RETURN(json::object claims, ParseTokenText(payload, "claims"));
  ASSIGN_OR_RETURN(Identity identity, IdentityOf(claims, rules.claims));
  RETURN_IF_ERROR(CheckTimes(claims, rules, now, &identity));
  if (!rules.issuer.empty() && TextClaim(claims, "iss") != rules.issuer) {
    return Refuse("the token's \"iss\" is not the configured issuer");
  }
  RETURN_IF_ERROR(CheckAudience(claims, rules.audience));
  identity.token_id = TextClaim(claims, "jti").value_or("").substr(0, kMaxTokenIdBytes);
  return identity;
}

std::string SignJwt(const Identity& identity, std::string_view secret, std::string_view issuer,
                    std::string_view audience, Time issued_at) {
  auto seconds = [](Time time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  };
  auto text = [](std::string_view value) { return json::string(value.data(), value.size()); };
  json::object claims;
  claims["sub"] = identity.user_id;
  if (!identity.name.empty()) claims["name"] = identity.name;
  if (!identity.roles.empty()) claims["roles"] = json::value_from(identity.roles);
  if (!identity.streams.empty()) claims["streams"] = json::value_from(identity.streams);
  if (!identity.only_stream.empty()) claims["stream"] = identity.only_stream;
  if (!identity.labels.empty()) claims["labels"] = json::value_from(identity.labels);
  if (!identity.token_id.empty()) claims["jti"] = identity.token_id;
  if (!issuer.empty()) claims["iss"] = text(issuer);
  if (!audience.empty()) claims["aud"] = text(audience);
  claims["iat"] = seconds(issued_at);
  claims["exp"] = seconds(identity.expires_at);
  return SignJws(Algorithm::kHs256, secret, json::serialize(claims));
}

}  // namespace carillon::auth
