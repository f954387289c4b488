#include "gateway/auth/key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <boost/json/value.hpp>

#include "gateway/auth/base64url.h"
#include "gateway/base/check.h"

namespace carillon::auth {
namespace {

namespace json = boost::json;

constexpr int kMinRsaBits = 2048;  // RFC 7518 section 3.3
constexpr int kMaxRsaBits = 8192;  // what is longer only costs time
constexpr size_t kMaxKeyIdBytes = 128;

enum class Kind : uint8_t { kSecret, kRsa, kEc, kEd };

struct Row {
  Algorithm algorithm;
  std::string_view name;
  Kind kind;
  const EVP_MD* (*hash)();
  bool pss = false;
  const char* curve = nullptr;  // as OpenSSL calls it
  size_t curve_bytes = 0;
};

constexpr std::array<Row, 13> kRows = {{
    {Algorithm::kHs256, "HS256", Kind::kSecret, EVP_sha256},
    {Algorithm::kHs384, "HS384", Kind::kSecret, EVP_sha384},
    {Algorithm::kHs512, "HS512", Kind::kSecret, EVP_sha512},
    {Algorithm::kRs256, "RS256", Kind::kRsa, EVP_sha256},
    {Algorithm::kRs384, "RS384", Kind::kRsa, EVP_sha384},
    {Algorithm::kRs512, "RS512", Kind::kRsa, EVP_sha512},
    {Algorithm::kPs256, "PS256", Kind::kRsa, EVP_sha256, true},
    {Algorithm::kPs384, "PS384", Kind::kRsa, EVP_sha384, true},
    {Algorithm::kPs512, "PS512", Kind::kRsa, EVP_sha512, true},
    {Algorithm::kEs256, "ES256", Kind::kEc, EVP_sha256, false, "prime256v1", 32},
    {Algorithm::kEs384, "ES384", Kind::kEc, EVP_sha384, false, "secp384r1", 48},
    {Algorithm::kEs512, "ES512", Kind::kEc, EVP_sha512, false, "secp521r1", 66},
    {Algorithm::kEdDsa, "EdDSA", Kind::kEd, nullptr},
}};

const Row& RowOf(Algorithm algorithm) {
  return kRows[static_cast<size_t>(algorithm)];
}

// The names of RFC 7518 section 6.2.1.1 and RFC 8037 section 2.
struct Curve {
  std::string_view name;
  Algorithm algorithm;
  int ed_type = 0;
  size_t bytes = 0;
};
constexpr std::array<Curve, 5> kCurves = {{
    {"P-256", Algorithm::kEs256, 0, 32},
    {"P-384", Algorithm::kEs384, 0, 48},
    {"P-521", Algorithm::kEs512, 0, 66},
    {"Ed25519", Algorithm::kEdDsa, EVP_PKEY_ED25519, 32},
    {"Ed448", Algorithm::kEdDsa, EVP_PKEY_ED448, 57},
}};

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <class T, auto Free>
using Handle = std::unique_ptr<T, Freer<Free>>;
using Number = Handle<BIGNUM, BN_free>;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// A failed parse leaves its reason for the next caller on this thread.
struct ForgetErrors {
  ~ForgetErrors() { ERR_clear_error(); }
};

std::string_view TextOf(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  const json::string* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
}

StatusOr<std::string> BytesOf(const json::object& jwk, const char* name) {
  auto bytes = DecodeBase64Url(TextOf(jwk, name));
  if (!bytes.has_value() || bytes->empty()) return InvalidArgument("the key's \"{}\" is not base64url", name);
  return *std::move(bytes);
}

std::shared_ptr<EVP_PKEY> Share(EVP_PKEY* key) {
  return key == nullptr ? nullptr : std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free);
}

std::shared_ptr<EVP_PKEY> FromParameters(const char* type, OSSL_PARAM_BLD* builder) {
  Handle<OSSL_PARAM, OSSL_PARAM_free> parameters(OSSL_PARAM_BLD_to_param(builder));
  Handle<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (parameters == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return nullptr;
  }
  return Share(key);
}

// RFC 7518 section 6.3.
StatusOr<std::shared_ptr<EVP_PKEY>> RsaOf(const json::object& jwk) {
  ASSIGN_OR_RETURN(std::string n, BytesOf(jwk, "n"));
  ASSIGN_OR_RETURN(std::string e, BytesOf(jwk, "e"));
  if (n.size() > kMaxRsaBits / 8 || e.size() > 8) return InvalidArgument("the RSA key is too long");
  Number modulus(BN_bin2bn(Bytes(n), static_cast<int>(n.size()), nullptr));
  Number exponent(BN_bin2bn(Bytes(e), static_cast<int>(e.size()), nullptr));
  Handle<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  return FromParameters("RSA", builder.get());
}

// RFC 7518 section 6.2.
StatusOr<std::shared_ptr<EVP_PKEY>> EcOf(const json::object& jwk, const Curve& curve) {
  ASSIGN_OR_RETURN(std::string x, BytesOf(jwk, "x"));
  ASSIGN_OR_RETURN(std::string y, BytesOf(jwk, "y"));
  if (x.size() != curve.bytes || y.size() != curve.bytes) {
    return InvalidArgument("the key's \"x\" and \"y\" have {} bytes each on {}", curve.bytes, curve.name);
  }
  std::string point = "\x04" + x + y;  // uncompressed (SEC 1 section 2.3.3)
  Handle<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, RowOf(curve.algorithm).curve, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  return FromParameters("EC", builder.get());
}

// RFC 8037 section 2.
StatusOr<std::shared_ptr<EVP_PKEY>> EdOf(const json::object& jwk, const Curve& curve) {
  ASSIGN_OR_RETURN(std::string x, BytesOf(jwk, "x"));
  if (x.size() != curve.bytes) return InvalidArgument("the key's \"x\" has {} bytes on {}", curve.bytes, curve.name);
  return Share(EVP_PKEY_new_raw_public_key(curve.ed_type, nullptr, Bytes(x), x.size()));
}

// r and s, each as long as the curve's order, become what OpenSSL takes (RFC 7518 section 3.4).
std::string DerOf(std::string_view signature) {
  size_t half = signature.size() / 2;
  Number r(BN_bin2bn(Bytes(signature), static_cast<int>(half), nullptr));
  Number s(BN_bin2bn(Bytes(signature) + half, static_cast<int>(half), nullptr));
  if (r == nullptr || s == nullptr || BN_is_zero(r.get()) || BN_is_zero(s.get())) return {};
  Handle<ECDSA_SIG, ECDSA_SIG_free> pair(ECDSA_SIG_new());
  if (pair == nullptr || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return {};
  r.release();  // the pair's now
  s.release();
  unsigned char* der = nullptr;
  int size = i2d_ECDSA_SIG(pair.get(), &der);
  if (size <= 0) return {};
  std::string text(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return text;
}

Status CheckKeyId(std::string_view id) {
  bool printable = std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (id.size() <= kMaxKeyIdBytes && printable) return absl::OkStatus();
  return InvalidArgument("a key's id has at most {} bytes of printable ASCII", kMaxKeyIdBytes);
}

StatusOr<Algorithm> AlgorithmOf(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
      return Algorithm::kRs256;
    case EVP_PKEY_RSA_PSS:
      return Algorithm::kPs256;
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
      return Algorithm::kEdDsa;
    case EVP_PKEY_EC: {
      char name[64];
      size_t size = 0;
      if (EVP_PKEY_get_group_name(key, name, sizeof name, &size) == 1) {
        for (const Row& row : kRows) {
          if (row.curve != nullptr && std::string_view(name, size) == row.curve) return row.algorithm;
        }
      }
      break;
    }
    default:
      break;
  }
  return absl::UnimplementedError("the key is none of RSA, P-256, P-384, P-521, Ed25519 and Ed448");
}

}  // namespace

std::string_view NameOf(Algorithm algorithm) {
  return RowOf(algorithm).name;
}

std::optional<Algorithm> AlgorithmNamed(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row.algorithm;
  }
  return std::nullopt;
}

std::string HmacOf(Algorithm algorithm, std::string_view secret, std::string_view input) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned int size = 0;
  HMAC(RowOf(algorithm).hash(), secret.data(), static_cast<int>(secret.size()), Bytes(input), input.size(), mac.data(),
       &size);
  return {reinterpret_cast<char*>(mac.data()), size};
}

StatusOr<Key> Key::FromSecret(std::string id, Algorithm algorithm, std::string secret) {
  const Row& row = RowOf(algorithm);
  if (row.kind != Kind::kSecret) return InvalidArgument("{} wants a public key, not a secret", row.name);
  RETURN_IF_ERROR(CheckKeyId(id));
  auto least = static_cast<size_t>(EVP_MD_get_size(row.hash()));
  if (secret.size() < least) return InvalidArgument("a secret for {} has at least {} bytes", row.name, least);
  Key key(std::move(id), algorithm);
  key.secret_ = std::move(secret);
  return key;
}

StatusOr<Key> Key::FromPublic(std::string id, std::optional<Algorithm> algorithm, std::shared_ptr<EVP_PKEY> made) {
  if (made == nullptr) return InvalidArgument("the key's numbers make no key");
  RETURN_IF_ERROR(CheckKeyId(id));
  ASSIGN_OR_RETURN(Algorithm natural, AlgorithmOf(made.get()));
  const Row& row = RowOf(algorithm.value_or(natural));
  bool fits = row.kind == RowOf(natural).kind && (row.kind == Kind::kRsa || row.algorithm == natural);
  if (!fits) return InvalidArgument("the key is not one for {}", row.name);
  if (EVP_PKEY_get_base_id(made.get()) == EVP_PKEY_RSA_PSS && !row.pss) {
    return InvalidArgument("the key is for PS256, PS384 or PS512 only");
  }
  int bits = EVP_PKEY_get_bits(made.get());
  if (row.kind == Kind::kRsa && (bits < kMinRsaBits || bits > kMaxRsaBits)) {
    return InvalidArgument("an RSA key has {} to {} bits, this one {}", kMinRsaBits, kMaxRsaBits, bits);
  }
  Handle<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(EVP_PKEY_CTX_new_from_pkey(nullptr, made.get(), nullptr));
  if (context == nullptr || EVP_PKEY_public_check(context.get()) != 1) {
    return InvalidArgument("the key's numbers make no key");
  }
  Key key(std::move(id), row.algorithm);
  key.public_ = std::move(made);
  return key;
}

StatusOr<Key> Key::FromPem(std::string id, std::optional<Algorithm> algorithm, std::string_view pem) {
  ForgetErrors forget;
  if (pem.find("PRIVATE KEY-----") != std::string_view::npos) {
    return InvalidArgument("that is a private key: only its owner should have it; give the public one");
  }
  auto no_password = [](char*, int, int, void*) { return 0; };  // else OpenSSL asks on the terminal
  Handle<BIO, BIO_free> text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::shared_ptr<EVP_PKEY> key;
  if (pem.find("-----BEGIN CERTIFICATE-----") != std::string_view::npos) {
    Handle<X509, X509_free> certificate(PEM_read_bio_X509(text.get(), nullptr, no_password, nullptr));
    if (certificate != nullptr) key = Share(X509_get_pubkey(certificate.get()));
  } else {
    key = Share(PEM_read_bio_PUBKEY(text.get(), nullptr, no_password, nullptr));
  }
  if (key == nullptr) return InvalidArgument("is not a public key (BEGIN PUBLIC KEY) or a certificate in PEM");
  return FromPublic(std::move(id), algorithm, std::move(key));
}

StatusOr<Key> Key::FromJwk(const json::object& jwk, std::optional<Algorithm> algorithm) {
  ForgetErrors forget;
  std::string id(TextOf(jwk, "kid"));
  std::string_view use = TextOf(jwk, "use");
  if (!use.empty() && use != "sig") return absl::UnimplementedError("the key is not for signatures");
  if (jwk.contains("alg")) {
    algorithm = AlgorithmNamed(TextOf(jwk, "alg"));
    if (!algorithm.has_value()) return absl::UnimplementedError("the key's \"alg\" is none for signatures");
  }
  std::string_view type = TextOf(jwk, "kty");
  if (type == "oct") {
    ASSIGN_OR_RETURN(std::string secret, BytesOf(jwk, "k"));
    return FromSecret(std::move(id), algorithm.value_or(Algorithm::kHs256), std::move(secret));
  }
  if (type == "RSA") {
    ASSIGN_OR_RETURN(std::shared_ptr<EVP_PKEY> key, RsaOf(jwk));
    return FromPublic(std::move(id), algorithm, std::move(key));
  }
  if (type == "EC" || type == "OKP") {
    for (const Curve& curve : kCurves) {
      if (curve.name != TextOf(jwk, "crv") || (curve.ed_type == 0) != (type == "EC")) continue;
      ASSIGN_OR_RETURN(std::shared_ptr<EVP_PKEY> key, curve.ed_type == 0 ? EcOf(jwk, curve) : EdOf(jwk, curve));
      return FromPublic(std::move(id), algorithm, std::move(key));
    }
  }
  return absl::UnimplementedError("the key's \"kty\" or \"crv\" is not known");
}

bool Key::Verify(std::string_view input, std::string_view signature) const {
  const Row& row = RowOf(algorithm_);
  if (row.kind == Kind::kSecret) {
    std::string mac = HmacOf(algorithm_, secret_, input);
    return mac.size() == signature.size() && CRYPTO_memcmp(mac.data(), signature.data(), mac.size()) == 0;
  }
  ForgetErrors forget;
  std::string der;
  if (row.kind == Kind::kEc) {
    if (signature.size() != 2 * row.curve_bytes) return false;
    der = DerOf(signature);
    if (der.empty()) return false;
    signature = der;
  }
  Handle<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* settings = nullptr;
  if (context == nullptr || EVP_DigestVerifyInit(context.get(), &settings, row.hash == nullptr ? nullptr : row.hash(),
                                                 nullptr, public_.get()) != 1) {
    return false;
  }
  // RFC 7518 section 3.5: the salt is as long as the hash.
  if (row.pss && (EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) != 1 ||
                  EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) != 1)) {
    return false;
  }
  return EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(input), input.size()) == 1;
}

}  // namespace carillon::auth
