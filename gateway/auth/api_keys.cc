#include "gateway/auth/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace carillon::auth {
namespace {

std::array<unsigned char, 32> DigestOf(std::string_view secret) {
  std::array<unsigned char, 32> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), digest.data());
  return digest;
}

uint8_t BitOf(Verb verb) {
  return static_cast<uint8_t>(1U << static_cast<unsigned>(verb));
}

}  // namespace

void ApiKeys::Add(std::string name, std::string_view secret, const std::vector<Verb>& verbs) {
  uint8_t bits = verbs.empty() ? 0xFF : 0;
  for (Verb verb : verbs) bits |= BitOf(verb);
  keys_.push_back({std::move(name), DigestOf(secret), bits});
}

const ApiKeys::Key* ApiKeys::Find(std::string_view secret) const {
  Digest digest = DigestOf(secret);
  const Key* found = nullptr;
  for (const Key& key : keys_) {
    if (CRYPTO_memcmp(key.digest.data(), digest.data(), digest.size()) == 0) found = &key;
  }
  return found;
}

ApiKeys::Verdict ApiKeys::Check(std::string_view secret, Verb verb) const {
  if (keys_.empty()) return Verdict::kAllowed;
  const Key* key = Find(secret);
  if (key == nullptr) return Verdict::kUnknownKey;
  return (key->verbs & BitOf(verb)) != 0 ? Verdict::kAllowed : Verdict::kVerbMissing;
}

bool ApiKeys::Knows(std::string_view secret) const {
  return keys_.empty() || Find(secret) != nullptr;
}

std::string_view ApiKeys::NameOf(std::string_view secret) const {
  const Key* key = Find(secret);
  return key == nullptr ? std::string_view() : key->name;
}

void LiveApiKeys::Set(ApiKeys keys) {
  keys_.Set(std::move(keys));
  version_.fetch_add(1, std::memory_order_release);
}

ApiKeys::Verdict LiveApiKeys::Check(std::string_view secret, Verb verb) const {
  return keys_.Get()->Check(secret, verb);
}

bool LiveApiKeys::Knows(std::string_view secret) const {
  return keys_.Get()->Knows(secret);
}

std::string LiveApiKeys::NameOf(std::string_view secret) const {
  return std::string(keys_.Get()->NameOf(secret));
}

}  // namespace carillon::auth
