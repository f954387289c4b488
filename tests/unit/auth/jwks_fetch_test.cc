#include "gateway/auth/jwks_fetch.h"

#include <gtest/gtest.h>

namespace carillon::auth {
namespace {

TEST(JwksFetchTest, AddressesAreHttpsOrOnLoopback) {
  for (const char* good :
       {"https://login.example.com/.well-known/jwks.json", "https://10.0.0.1:8443/", "http://localhost/",
        "http://localhost:8080/jwks?x=1", "http://127.0.0.1/", "http://127.9.9.9:1/", "http://[::1]:80/"}) {
    EXPECT_EQ(JwksUrlProblem(good), "") << good;
  }
  for (const char* bad : {"", "login.example.com/jwks", "/etc/jwks.json", "file:///etc/jwks.json", "ftp://127.0.0.1/",
                          "gopher://127.0.0.1/", "http://login.example.com/", "http://localhost.example.com/",
                          "http://127.0.0.1.example.com/", "http://10.0.0.1/", "http://[::2]/", "http://0.0.0.0/",
                          "https://user@a.example/", "https://user:pw@a.example/", "https://a.example/#key", "https://",
                          "https://a.example/\n", "https://a.example/ x"}) {
    EXPECT_NE(JwksUrlProblem(bad), "") << bad;
  }
  EXPECT_NE(JwksUrlProblem("https://a.example/" + std::string(2048, 'x')), "");
}

TEST(JwksFetchTest, LogsDoNotShowTheQuery) {
  EXPECT_EQ(ShownUrl("https://a.example/jwks?secret=1"), "https://a.example/jwks");
  EXPECT_EQ(ShownUrl("https://a.example/jwks"), "https://a.example/jwks");
}

// What servers answer, and how slowly, is in tests/integration/test_jwks.py.
TEST(JwksFetchTest, NobodyThereIsUnavailable) {
  std::atomic<bool> stop{false};
  auto text = FetchJwks({"http://127.0.0.1:1/jwks", "", std::chrono::seconds(5)}, stop);
  EXPECT_EQ(text.status().code(), absl::StatusCode::kUnavailable) << MessageOf(text.status());
}

}  // namespace
}  // namespace carillon::auth
