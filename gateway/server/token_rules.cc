#include "gateway/server/token_rules.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>

#include "gateway/server/config_values.h"

namespace carillon::server {
namespace {

constexpr size_t kMaxAddresses = 16;    // each has a thread
constexpr size_t kMinSecretBytes = 32;  // RFC 7518 section 3.2: as long as the hash

using Problem = std::function<void(const std::string&, const std::string&)>;

// Up: half a second is not "any".
std::chrono::seconds ToSeconds(const google::protobuf::Duration& duration) {
  return std::chrono::ceil<std::chrono::seconds>(ToMilliseconds(duration));
}

StatusOr<auth::KeySet> KeysOf(const v1::TokenKey& key, std::optional<auth::Algorithm> algorithm) {
  auth::KeySet set;
  if (!key.secret().empty()) {
    ASSIGN_OR_RETURN(auth::Key made,
                     auth::Key::FromSecret(key.id(), algorithm.value_or(auth::Algorithm::kHs256), key.secret()));
    set.Add(std::move(made));
    return set;
  }
  ASSIGN_OR_RETURN(std::string text, ReadKeyFile(key.pem_file().empty() ? key.jwk_file() : key.pem_file()));
  if (!key.pem_file().empty()) {
    ASSIGN_OR_RETURN(auth::Key made, auth::Key::FromPem(key.id(), algorithm, text));
    set.Add(std::move(made));
    return set;
  }
  std::vector<std::string> left_out;
  return auth::KeySet::FromJwks(text, algorithm, &left_out);
}

void AddKey(const v1::TokenKey& key, const v1::JwksConfig& jwks, const std::string& at, auth::TokenRules* rules,
            const Problem& problem) {
  int sources = !key.secret().empty() + !key.pem_file().empty() + !key.jwk_file().empty() + !key.jwks_url().empty();
  if (sources != 1) return problem(at, "needs one of secret, pem_file, jwk_file and jwks_url");
  if ((!key.jwk_file().empty() || !key.jwks_url().empty()) && !key.id().empty()) {
    return problem(at + ".id", "is what the JWK says (\"kid\"): leave it out");
  }
  std::optional<auth::Algorithm> algorithm;
  if (!key.algorithm().empty()) {
    algorithm = auth::AlgorithmNamed(key.algorithm());
    if (!algorithm.has_value()) {
      return problem(at + ".algorithm",
                     "is none of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, "
                     "ES256, ES384, ES512, EdDSA");
    }
  }
  if (!key.jwks_url().empty()) {
    std::string why = auth::JwksUrlProblem(key.jwks_url());
    if (!why.empty()) return problem(at + ".jwks_url", why);
    rules->fetched.push_back({{key.jwks_url(), jwks.ca_file(), ToMilliseconds(jwks.timeout())},
                              algorithm,
                              ToMilliseconds(jwks.refresh()),
                              ToMilliseconds(jwks.min_interval())});
    return;
  }
  auto made = KeysOf(key, algorithm);
  if (made.ok()) return rules->keys.Add(*made);
  std::string_view field = !key.secret().empty() ? ".secret" : !key.pem_file().empty() ? ".pem_file" : ".jwk_file";
  problem(at + std::string(field), MessageOf(made.status()));
}

void CheckPattern(const std::string& at, const std::string& pattern, const Problem& problem) {
  std::string why = auth::PatternProblem(pattern);
  if (!why.empty()) return problem(at, why);
  if (pattern.find('{') == std::string::npos) {
    problem(at, "is the same for everybody: name what differs, such as {user} or {workspace}");
  }
}

void CheckClaims(const v1::ClaimsConfig& claims, const Problem& problem) {
  for (const std::string& taken : {claims.user(), claims.name(), claims.roles(), claims.streams(),
                                   std::string("labels"), std::string("exp"), std::string("nbf"), std::string("iat"),
                                   std::string("iss"), std::string("aud"), std::string("jti"), std::string()}) {
    if (claims.stream() != taken) continue;
    problem("auth.claims.stream", "needs a claim of its own: a token that has it is for one stream alone");
    break;
  }
  std::set<std::string> labels;
  for (int i = 0; i < claims.labels_size(); ++i) {
    std::string at = fmt::format("auth.claims.labels[{}]", i);
    const v1::LabelClaim& label = claims.labels(i);
    if (label.label().empty() || label.label() == "user") problem(at + ".label", "needs a name that is not \"user\"");
    if (label.claim().empty()) problem(at + ".claim", "needs the name of a claim");
    if (!labels.insert(label.label()).second) problem(at + ".label", "stands above already");
  }
  for (int i = 0; i < claims.subscribe_size(); ++i) {
    CheckPattern(fmt::format("auth.claims.subscribe[{}]", i), claims.subscribe(i), problem);
  }
}

auth::TokenRules RulesWithoutKeys(const v1::AuthConfig& config) {
  auth::TokenRules rules;
  rules.issuer = config.issuer();
  rules.audience = config.audience();
  rules.leeway = ToSeconds(config.leeway());
  rules.max_lifetime = ToSeconds(config.max_lifetime());
  const v1::ClaimsConfig& claims = config.claims();
  rules.claims.user = claims.user();
  rules.claims.name = claims.name();
  rules.claims.info = claims.info();
  rules.claims.roles = claims.roles();
  rules.claims.streams = claims.streams();
  rules.claims.stream = claims.stream();
  for (const v1::LabelClaim& label : claims.labels()) rules.claims.labels[label.label()] = label.claim();
  rules.claims.subscribe = {claims.subscribe().begin(), claims.subscribe().end()};
  return rules;
}

}  // namespace

auth::TokenRules TokenRulesOf(const v1::AuthConfig& config, const Problem& problem) {
  CheckClaims(config.claims(), problem);
  auth::TokenRules rules = RulesWithoutKeys(config);
  const std::string& secret = config.hs256_secret();
  if (!secret.empty() && secret.size() < kMinSecretBytes) {
    problem("auth.hs256_secret",
            fmt::format("at least {} bytes are needed; try: openssl rand -hex 32", kMinSecretBytes));
  } else if (!secret.empty()) {
    rules.keys.Add(*auth::Key::FromSecret("", auth::Algorithm::kHs256, secret));
  }
  for (int i = 0; i < config.keys_size(); ++i) {
    AddKey(config.keys(i), config.jwks(), fmt::format("auth.keys[{}]", i), &rules, problem);
  }
  if (const std::string& file = config.jwks().ca_file(); !file.empty()) {
    if (auto text = ReadKeyFile(file); !text.ok()) problem("auth.jwks.ca_file", MessageOf(text.status()));
  }
  if (ToMilliseconds(config.jwks().refresh()) < ToMilliseconds(config.jwks().min_interval())) {
    problem("auth.jwks.refresh", "is less than auth.jwks.min_interval, which is the least time between two fetches");
  }
  if (rules.fetched.size() > kMaxAddresses) {
    problem("auth.keys", fmt::format("at most {} with a jwks_url", kMaxAddresses));
  }
  if (rules.keys.keys().size() > auth::kMaxKeys) problem("auth.keys", fmt::format("at most {}", auth::kMaxKeys));
  return rules;
}

StatusOr<auth::KeySet> ReadJwkFile(const std::string& path) {
  ASSIGN_OR_RETURN(std::string text, ReadKeyFile(path));
  std::vector<std::string> left_out;
  return auth::KeySet::FromJwks(text, std::nullopt, &left_out);
}

StatusOr<std::string> ReadKeyFile(const std::string& path, size_t max_bytes) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return InvalidArgument("{}: {}", path, std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return InvalidArgument("{}: is not a file", path);
  if (static_cast<size_t>(info.st_size) > max_bytes) {
    return InvalidArgument("{}: has more than {} bytes", path, max_bytes);
  }
  std::ifstream in(path, std::ios::binary);
  std::string text(static_cast<size_t>(info.st_size), '\0');
  if (!in.read(text.data(), info.st_size)) return InvalidArgument("{}: cannot be read", path);
  return text;
}

}  // namespace carillon::server
