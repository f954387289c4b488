#include "gateway/auth/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>

namespace carillon::auth {
namespace {

std::array<unsigned char, 32> DigestOf(std::string_view secret) {
  std::array<unsigned char, 32> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), digest.data());
  return digest;
}

const ApiKeyPtr& Anybody() {
  static const ApiKeyPtr* key = new ApiKeyPtr(std::make_shared<const ApiKey>(ApiKey{"", {}, {"*"}, {}}));
  return *key;
}

}  // namespace

bool ApiKey::May(Verb verb) const {
  return verbs.empty() || std::find(verbs.begin(), verbs.end(), verb) != verbs.end();
}

void ApiKeys::Add(ApiKey key, std::string_view secret) {
  keys_.push_back({std::make_shared<const ApiKey>(std::move(key)), DigestOf(secret)});
}

ApiKeyPtr ApiKeys::Find(std::string_view secret) const {
  if (keys_.empty()) return Anybody();
  Digest digest = DigestOf(secret);
  const Entry* found = nullptr;
  for (const Entry& entry : keys_) {
    if (CRYPTO_memcmp(entry.digest.data(), digest.data(), digest.size()) == 0) found = &entry;
  }
  return found == nullptr ? nullptr : found->key;
}

ApiKeyPtr LiveApiKeys::Find(std::string_view secret) const {
  return keys_.Get()->Find(secret);
}

}  // namespace carillon::auth
