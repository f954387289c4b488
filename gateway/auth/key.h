#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/base/status.h"

struct evp_pkey_st;

namespace carillon::auth {

// The signature algorithms of RFC 7518 section 3.1 and RFC 8037. "none" does not exist.
enum class Algorithm : uint8_t {
  kHs256,
  kHs384,
  kHs512,
  kRs256,
  kRs384,
  kRs512,
  kPs256,
  kPs384,
  kPs512,
  kEs256,
  kEs384,
  kEs512,
  kEdDsa,
};
std::string_view NameOf(Algorithm algorithm);
std::optional<Algorithm> AlgorithmNamed(std::string_view name);

// A key that signatures are verified with. The algorithm belongs to it: what a token says of its own algorithm is only
// compared. Immutable; copies share the key; any thread. Errors are INVALID_ARGUMENT and never quote a secret.
class Key {
 public:
  // The secret has at least the bytes of the algorithm's hash (RFC 7518 section 3.2).
  static StatusOr<Key> FromSecret(std::string id, Algorithm algorithm, std::string secret);

  // A public key or a certificate in PEM. Without an algorithm, an RSA key is for RS256; the others say it themselves.
  static StatusOr<Key> FromPem(std::string id, std::optional<Algorithm> algorithm, std::string_view pem);

  // A JSON Web Key (RFC 7517). `algorithm` is for keys that have no "alg"; without either, as above, and HS256.
  // A private key's private part is not looked at. UNIMPLEMENTED where the key is not for signatures or is of a kind
  // that is not known.
  static StatusOr<Key> FromJwk(const boost::json::object& jwk, std::optional<Algorithm> algorithm = std::nullopt);

  // "kid"; empty: none.
  const std::string& id() const { return id_; }
  Algorithm algorithm() const { return algorithm_; }

  // Whether `signature`, in the form of RFC 7518, is the key's for `input`. In constant time for secrets.
  bool Verify(std::string_view input, std::string_view signature) const;

 private:
  Key(std::string id, Algorithm algorithm) : id_(std::move(id)), algorithm_(algorithm) {}

  // Checks that the key is of the algorithm's kind and strong enough.
  static StatusOr<Key> FromPublic(std::string id, std::optional<Algorithm> algorithm, std::shared_ptr<evp_pkey_st> key);

  std::string id_;
  Algorithm algorithm_;
  std::string secret_;                   // of HS*
  std::shared_ptr<evp_pkey_st> public_;  // of the others
};

// The bytes of an HS* signature.
std::string HmacOf(Algorithm algorithm, std::string_view secret, std::string_view input);

}  // namespace carillon::auth
