#include "gateway/auth/jwt.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <optional>

#include "absl/strings/escaping.h"
#include "gateway/wire/json_check.h"
#include "gateway/wire/topic.h"

namespace carillon::auth {
namespace {

namespace json = boost::json;
using Time = std::chrono::system_clock::time_point;

constexpr size_t kMacBytes = 32;
constexpr size_t kMaxListEntries = 100;
constexpr size_t kMaxTextBytes = 256;

Status Refuse(const std::string& reason) {
  return absl::UnauthenticatedError(reason);
}

// Base64url without padding (RFC 7515 section 2).
std::string EncodeBase64Url(std::string_view bytes) {
  return absl::WebSafeBase64Escape(absl::string_view(bytes.data(), bytes.size()));
}

// The strict counterpart: each value has one text, so what does not come back the same is refused (padding, white
// space, bits that belong to no byte).
std::optional<std::string> DecodeBase64Url(std::string_view text) {
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(absl::string_view(text.data(), text.size()), &bytes)) return std::nullopt;
  if (EncodeBase64Url(bytes) != text) return std::nullopt;
  return bytes;
}

std::array<unsigned char, kMacBytes> Mac(std::string_view secret, std::string_view input) {
  std::array<unsigned char, kMacBytes> mac{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(input.data()), input.size(), mac.data(), &size);
  return mac;
}

StatusOr<json::object> ParseObject(std::string_view part, const char* what) {
  std::optional<std::string> text = DecodeBase64Url(part);
  if (!text.has_value()) return Refuse(fmt::format("the token's {} is not base64url", what));
  json::error_code error;
  json::parse_options options;
  options.max_depth = wire::kMaxJsonDepth;
  json::value value = json::parse(*text, error, {}, options);
  if (error || !value.is_object()) return Refuse(fmt::format("the token's {} is not a JSON object", what));
  return std::move(value.get_object());
}

std::optional<std::string> TextClaim(const json::object& claims, const char* name) {
  const json::value* value = claims.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
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

// A list of short strings; one string counts as a list of one.
StatusOr<std::vector<std::string>> ListClaim(const json::object& claims, const char* name) {
  std::vector<std::string> list;
  const json::value* value = claims.if_contains(name);
  if (value == nullptr || value->is_null()) return list;
  auto add = [&](const json::value& entry) {
    const json::string* text = entry.if_string();
    if (text == nullptr || text->size() > kMaxTextBytes || list.size() >= kMaxListEntries) return false;
    list.emplace_back(text->data(), text->size());
    return true;
  };
  bool good = true;
  if (const json::array* entries = value->if_array()) {
    for (const json::value& entry : *entries) good = good && add(entry);
  } else {
    good = add(*value);
  }
  if (!good) {
    return Refuse(fmt::format("the token's \"{}\" is not a list of at most {} strings", name, kMaxListEntries));
  }
  return list;
}

StatusOr<std::map<std::string, std::string>> LabelsClaim(const json::object& claims) {
  std::map<std::string, std::string> labels;
  const json::value* value = claims.if_contains("labels");
  if (value == nullptr || value->is_null()) return labels;
  const json::object* object = value->if_object();
  Status bad = Refuse("the token's \"labels\" is not an object of at most 100 short strings");
  if (object == nullptr || object->size() > kMaxListEntries) return bad;
  for (const auto& [key, entry] : *object) {
    const json::string* text = entry.if_string();
    if (text == nullptr || text->size() > kMaxTextBytes || key.size() > kMaxTextBytes) return bad;
    labels.emplace(key, std::string(*text));
  }
  return labels;
}

Status CheckHeader(std::string_view part) {
  ASSIGN_OR_RETURN(json::object header, ParseObject(part, "header"));
  if (TextClaim(header, "alg") != "HS256") return Refuse("the token's \"alg\" is not HS256");
  if (header.contains("crit")) return Refuse("the token has critical headers");  // RFC 7515 section 4.1.11
  return absl::OkStatus();
}

Status CheckAudience(const json::object& claims, const std::string& audience) {
  if (audience.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(std::vector<std::string> list, ListClaim(claims, "aud"));
  if (std::find(list.begin(), list.end(), audience) == list.end()) {
    return Refuse("the token's \"aud\" does not name this gateway");
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<Identity> VerifyJwt(std::string_view token, const JwtSettings& settings, Time now) {
  if (settings.secret.empty()) return Refuse("tokens are not accepted: auth.hs256_secret is not set");
  if (token.empty()) return Refuse("the token is empty");
  if (token.size() > kMaxTokenBytes) return Refuse(fmt::format("the token is longer than {} bytes", kMaxTokenBytes));

  size_t first = token.find('.');
  size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
    return Refuse("the token is not of the form header.claims.signature");
  }
  RETURN_IF_ERROR(CheckHeader(token.substr(0, first)));

  std::optional<std::string> signature = DecodeBase64Url(token.substr(second + 1));
  auto mac = Mac(settings.secret, token.substr(0, second));
  if (!signature.has_value() || signature->size() != mac.size() ||
      CRYPTO_memcmp(signature->data(), mac.data(), mac.size()) != 0) {
    return Refuse("the token's signature is wrong");
  }

  ASSIGN_OR_RETURN(json::object claims, ParseObject(token.substr(first + 1, second - first - 1), "claims"));
  Identity identity;
  identity.user_id = TextClaim(claims, "sub").value_or("");
  if (Status status = wire::CheckUserId(identity.user_id); !status.ok()) {
    return Refuse("the token's \"sub\" is missing or not a user id");
  }
  identity.name = TextClaim(claims, "name").value_or("").substr(0, kMaxTextBytes);

  ASSIGN_OR_RETURN(std::optional<Time> expires, TimeClaim(claims, "exp"));
  if (!expires.has_value()) return Refuse("the token has no \"exp\"");
  if (now >= *expires + settings.leeway) return Refuse("the token has expired");
  identity.expires_at = *expires;
  ASSIGN_OR_RETURN(std::optional<Time> not_before, TimeClaim(claims, "nbf"));
  if (not_before.has_value() && now + settings.leeway < *not_before) return Refuse("the token is not valid yet");

  if (!settings.issuer.empty() && TextClaim(claims, "iss") != settings.issuer) {
    return Refuse("the token's \"iss\" is not the configured issuer");
  }
  RETURN_IF_ERROR(CheckAudience(claims, settings.audience));
  ASSIGN_OR_RETURN(identity.roles, ListClaim(claims, "roles"));
  ASSIGN_OR_RETURN(identity.streams, ListClaim(claims, "streams"));
  ASSIGN_OR_RETURN(identity.labels, LabelsClaim(claims));
  return identity;
}

std::string SignJwt(const Identity& identity, const JwtSettings& settings, Time issued_at) {
  auto seconds = [](Time time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  };
  json::object claims;
  claims["sub"] = identity.user_id;
  if (!identity.name.empty()) claims["name"] = identity.name;
  if (!identity.roles.empty()) claims["roles"] = json::value_from(identity.roles);
  if (!identity.streams.empty()) claims["streams"] = json::value_from(identity.streams);
  if (!identity.labels.empty()) claims["labels"] = json::value_from(identity.labels);
  if (!settings.issuer.empty()) claims["iss"] = settings.issuer;
  if (!settings.audience.empty()) claims["aud"] = settings.audience;
  claims["iat"] = seconds(issued_at);
  claims["exp"] = seconds(identity.expires_at);
  std::string input =
      EncodeBase64Url(R"({"alg":"HS256","typ":"JWT"})") + "." + EncodeBase64Url(json::serialize(claims));
  auto mac = Mac(settings.secret, input);
  return input + "." + EncodeBase64Url({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

}  // namespace carillon::auth
