#include "gateway/auth/jwt.h"
#include "gateway/wire/topic.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/make_token.h"

namespace {

constexpr std::chrono::system_clock::time_point kNow{std::chrono::seconds(1'700'000'000)};

void Judge(const std::string& token, const carillon::auth::TokenRules& settings) {
  auto identity = carillon::auth::VerifyJwt(token, settings, kNow);
  if (!identity.ok()) {
    FUZZ_EXPECT(identity.status().code() == absl::StatusCode::kUnauthenticated);
    return;
  }
  FUZZ_EXPECT(carillon::wire::CheckUserId(identity->user_id).ok());
  FUZZ_EXPECT(identity->expires_at + settings.leeway > kNow);
  FUZZ_EXPECT(identity->roles.size() <= 100 && identity->streams.size() <= 100 && identity->labels.size() <= 100);
}

}  // namespace

// The bytes as a token, which is never good; as keys, which do no harm; and as the claims of a well-signed one, with
// what stands before the first line break as its header.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes = carillon::fuzz::TextOf(data, size);
  carillon::auth::TokenRules settings = carillon::test::SecretRules();
  FUZZ_EXPECT(!carillon::auth::VerifyJwt(bytes, settings, kNow).ok());

  std::vector<std::string> left_out;
  auto keys = carillon::auth::KeySet::FromJwks(bytes, std::nullopt, &left_out);
  if (keys.ok()) {
    for (const carillon::auth::Key& key : keys->keys()) FUZZ_EXPECT(!key.Verify("input", bytes.substr(0, 64)));
  }

  size_t line = bytes.find('\n');
  if (line == std::string_view::npos) {
    Judge(carillon::test::MakeToken(bytes), settings);
  } else {
    Judge(carillon::test::MakeToken(bytes.substr(line + 1), bytes.substr(0, line)), settings);
  }
  settings.issuer = "i";
  settings.audience = "a";
  Judge(carillon::test::MakeToken(bytes), settings);
  return 0;
}
