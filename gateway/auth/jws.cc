#include "gateway/auth/jws.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <optional>

#include "absl/strings/cord.h"
#include "gateway/auth/base64url.h"
#include "gateway/auth/json_object.h"

namespace carillon::auth {
namespace {

namespace json = boost::json;

// How many keys are tried for a text that does not say which.
constexpr size_t kMaxTries = 8;

constexpr std::string_view kUnknownKey = "carillon.dev/unknown-key";

Status Refuse(const std::string& reason) {
  return absl::UnauthenticatedError(reason);
}

Status UnknownKey(const std::string& reason) {
  return MarkUnknownKey(Refuse(reason));
}

struct Header {
  Algorithm algorithm;
  std::string key_id;  // empty: none
};

StatusOr<Header> ReadHeader(std::string_view part) {
  ASSIGN_OR_RETURN(json::object header, ParseTokenPart(part, "header"));
  if (header.contains("crit")) return Refuse("the token has critical headers");  // RFC 7515 section 4.1.11
  for (const char* name : {"jwk", "jku", "x5u"}) {
    if (header.contains(name)) return Refuse(fmt::format("the token brings its own key (\"{}\")", name));
  }
  std::optional<std::string> named = TextClaim(header, "alg");
  auto algorithm = AlgorithmNamed(named.value_or(""));
  if (!algorithm.has_value()) return Refuse("the token's \"alg\" is not one that is accepted");
  if (header.contains("kid") && !TextClaim(header, "kid").has_value()) return Refuse("the token's \"kid\" is no text");
  return Header{*algorithm, TextClaim(header, "kid").value_or("")};
}

// The keys that the text may be signed with.
StatusOr<std::vector<const Key*>> Candidates(const Header& header, const KeySet& keys) {
  std::vector<const Key*> named;
  std::vector<const Key*> others;
  bool known = false;
  for (const Key& key : keys.keys()) {
    bool its_name = !header.key_id.empty() && key.id() == header.key_id;
    known = known || its_name;
    if (key.algorithm() != header.algorithm) continue;
    if (its_name) named.push_back(&key);
    if (header.key_id.empty() || key.id().empty()) others.push_back(&key);
  }
  if (known) {
    if (named.empty()) return Refuse("the token's \"alg\" is not that of its key");
    return named;
  }
  if (!others.empty()) {
    others.resize(std::min(others.size(), kMaxTries));
    return others;
  }
  if (header.key_id.empty()) return UnknownKey(fmt::format("no key is for the token's \"alg\""));
  return UnknownKey("no key has the token's \"kid\"");
}

}  // namespace

StatusOr<std::string> VerifyJws(std::string_view text, const KeySet& keys) {
  if (keys.empty()) return UnknownKey("tokens are not accepted: the gateway has no keys (config: auth)");
  if (text.empty()) return Refuse("the token is empty");
  if (text.size() > kMaxTokenBytes) return Refuse(fmt::format("the token is longer than {} bytes", kMaxTokenBytes));
  size_t dots = static_cast<size_t>(std::count(text.begin(), text.end(), '.'));
  if (dots == 4) return Refuse("the token is encrypted (JWE), which is not supported");
  if (dots != 2) return Refuse("the token is not of the form header.claims.signature");
  size_t first = text.find('.');
  size_t second = text.find('.', first + 1);
  ASSIGN_OR_RETURN(Header header, ReadHeader(text.substr(0, first)));
  ASSIGN_OR_RETURN(std::vector<const Key*> candidates, Candidates(header, keys));
  std::optional<std::string> signature = DecodeBase64Url(text.substr(second + 1));
  bool good = signature.has_value() && std::any_of(candidates.begin(), candidates.end(), [&](const Key* key) {
                return key->Verify(text.substr(0, second), *signature);
              });
  if (!good && candidates.front()->id() == header.key_id && !header.key_id.empty()) {
    return Refuse("the token's signature is wrong");
  }
  if (!good) return UnknownKey("the token's signature is wrong");  // or is of a key without a name that is newer
  std::optional<std::string> payload = DecodeBase64Url(text.substr(first + 1, second - first - 1));
  if (!payload.has_value()) return Refuse("the token's claims are not base64url");
  return *std::move(payload);
}

Status MarkUnknownKey(Status status) {
  status.SetPayload({kUnknownKey.data(), kUnknownKey.size()}, absl::Cord());
  return status;
}

bool LooksLikeJws(std::string_view text) {
  size_t first = text.find('.');
  if (first == std::string_view::npos || text.size() > kMaxTokenBytes) return false;
  size_t second = text.find('.', first + 1);
  if (second == std::string_view::npos || text.find('.', second + 1) != std::string_view::npos) return false;
  return ParseTokenPart(text.substr(0, first), "header").ok();
}

bool IsUnknownKey(const Status& status) {
  return status.GetPayload({kUnknownKey.data(), kUnknownKey.size()}).has_value();
}

std::string SignJws(Algorithm algorithm, std::string_view secret, std::string_view payload) {
  std::string header = fmt::format(R"({{"alg":"{}","typ":"JWT"}})", NameOf(algorithm));
  std::string input = EncodeBase64Url(header) + "." + EncodeBase64Url(payload);
  return input + "." + EncodeBase64Url(HmacOf(algorithm, secret, input));
}

}  // namespace carillon::auth
