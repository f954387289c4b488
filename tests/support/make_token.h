#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "gateway/auth/verifier.h"

namespace carillon::test {

// 32 bytes, as auth.hs256_secret wants at least.
inline constexpr char kSecret[] = "0123456789abcdef0123456789abcdef";

// Rules with that secret for HS256.
inline auth::TokenRules SecretRules(std::string_view secret = kSecret) {
  auth::TokenRules rules;
  rules.keys.Add(*auth::Key::FromSecret("", auth::Algorithm::kHs256, std::string(secret)));
  return rules;
}

inline std::string Base64Url(std::string_view bytes) {
  return absl::WebSafeBase64Escape(absl::string_view(bytes.data(), bytes.size()));
}

// The HMAC-SHA256 of a token's first two parts, as its third part.
inline std::string SignatureOf(std::string_view input, std::string_view secret = kSecret) {
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(input.data()), input.size(), mac, &size);
  return Base64Url({reinterpret_cast<const char*>(mac), size});
}

// A token of any header and claims, well signed: what is wrong with it is only what the test made wrong.
inline std::string MakeToken(std::string_view claims, std::string_view header = R"({"alg":"HS256","typ":"JWT"})",
                             std::string_view secret = kSecret) {
  std::string input = Base64Url(header) + "." + Base64Url(claims);
  return input + "." + SignatureOf(input, secret);
}

}  // namespace carillon::test
