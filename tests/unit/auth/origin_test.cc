#include "gateway/auth/origin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/seed.h"

namespace carillon::auth {
namespace {

using ::testing::HasSubstr;

struct OriginCase {
  std::string_view origin;
  bool allowed;
};

OriginRules Rules(const std::vector<std::string>& allowed) {
  auto rules = OriginRules::Parse(allowed);
  EXPECT_TRUE(rules.ok());
  return *std::move(rules);
}

template <size_t N>
void ExpectTable(const OriginRules& rules, std::string_view host, const OriginCase (&cases)[N]) {
  for (const OriginCase& c : cases) EXPECT_EQ(rules.Allows(c.origin, host), c.allowed) << c.origin << " at " << host;
}

TEST(OriginTest, WithoutRulesItsOwnHostAndLoopbackMay) {
  const OriginCase kCases[] = {
      {"", true},  // no browser, or a same-origin request
      {"http://gw.example.com:7310", true},
      {"http://GW.example.com:7310", true},
      {"https://gw.example.com:7310", true},  // a proxy ends TLS
      {"http://gw.example.com", false},       // another port
      {"http://gw.example.com:7311", false},
      {"http://www.example.com:7310", false},
      {"http://example.com:7310", false},
      {"http://gw.example.com.evil.com:7310", false},
      {"http://evil-gw.example.com:7310", false},
      {"http://localhost", true},
      {"http://localhost:3000", true},
      {"https://LOCALHOST:8443", true},
      {"http://127.0.0.1:5173", true},
      {"http://127.9.8.7", true},
      {"http://[::1]:9000", true},
      {"http://localhost.evil.com", false},
      {"http://127.0.0.1.evil.com", false},
      {"http://128.0.0.1", false},
      {"http://0.0.0.0", false},
      {"http://[::2]", false},
      {"null", false},
      {"NULL", false},
      {"*", false},
      {"localhost", false},
      {"http://", false},
      {"http:localhost", false},
      {"//localhost", false},
      {"http://user@localhost", false},
      {"http://localhost@evil.com", false},
      {"http://localhost/", false},
      {"http://localhost/path", false},
      {"http://localhost?x", false},
      {"http://localhost#x", false},
      {"http://localhost http://evil.com", false},
      {"http://localhost:99999", false},
      {"http://localhost:0", false},
      {"http://evil.com\\@localhost", false},
      {"http://%6cocalhost", false},
      {"file://localhost", false},
      {"chrome-extension://abcdef", false},
  };
  ExpectTable(Rules({}), "gw.example.com:7310", kCases);
}

TEST(OriginTest, AHostWithoutAPortMeansTheSchemesOwn) {
  const OriginCase kCases[] = {
      {"http://gw.example.com", true},        {"https://gw.example.com", true},
      {"http://gw.example.com:80", true},     {"https://gw.example.com:443", true},
      {"http://gw.example.com:443", false},   {"https://gw.example.com:80", false},
      {"https://gw.example.com:8443", false},
  };
  ExpectTable(Rules({}), "gw.example.com", kCases);
}

TEST(OriginTest, AnIpv6HostIsItsOwnToo) {
  const OriginCase kCases[] = {{"http://[2001:db8::1]:7310", true}, {"http://[2001:db8::2]:7310", false}};
  ExpectTable(Rules({}), "[2001:db8::1]:7310", kCases);
}

TEST(OriginTest, ExactRulesCompareSchemeHostAndPort) {
  const OriginCase kCases[] = {
      {"https://app.example.com", true},
      {"https://app.example.com:443", true},
      {"HTTPS://App.Example.com", true},
      {"http://app.example.com", false},
      {"https://app.example.com:444", false},
      {"https://app.example.com:65979", false},  // 443 and 65,536
      {"https://example.com", false},
      {"https://x.app.example.com", false},
      {"https://app.example.com.evil.com", false},
      {"http://dev.example.com:8080", true},
      {"http://dev.example.com", false},
  };
  ExpectTable(Rules({"https://app.example.com", "http://dev.example.com:8080"}), "gw:7310", kCases);
}

TEST(OriginTest, AWildCardCoversWholeLabelsBelowIt) {
  const OriginCase kCases[] = {
      {"https://a.example.com", true},
      {"http://a.example.com", true},
      {"https://a.b.example.com", true},
      {"https://A.EXAMPLE.COM", true},
      {"https://example.com", false},
      {"https://evilexample.com", false},
      {"https://a.example.com.evil.com", false},
      {"https://a.example.com:8443", false},  // default ports only
      {"https://a.example.org", false},
      {"https://.example.com", false},
  };
  ExpectTable(Rules({"*.Example.com"}), "gw:7310", kCases);
}

TEST(OriginTest, AStarIsForEveryone) {
  OriginRules rules = Rules({"https://app.example.com", "*"});

  EXPECT_TRUE(rules.Allows("https://anything.test", "gw"));
  EXPECT_TRUE(rules.Allows("null", "gw"));
}

TEST(OriginTest, RulesThatAreNoOriginsAreNamed) {
  for (std::string_view bad :
       {"", "app.example.com", "https://", "https://app.example.com/", "https://a.com/path", "*.", "**",
        "https://*.example.com", "*.example.com:8443", "*.example.com/", "*example.com", "*.*.example.com",
        "https://u@a.com", "https://a.com?x", "null", "ftp://a.com", "https://a b.com"}) {
    auto rules = OriginRules::Parse({"https://good.example.com", std::string(bad)});

    EXPECT_EQ(rules.status().code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(MessageOf(rules.status()), HasSubstr('"' + std::string(bad) + '"'));
  }
}

TEST(OriginTest, ABrokenHostHeaderHelpsNobody) {
  for (std::string_view host : {"", ":", "evil.com@gw", "gw/", "[::1"}) {
    EXPECT_FALSE(Rules({}).Allows("https://evil.com", host)) << host;
  }
}

TEST(OriginTest, NoTextGetsPastWithoutARuleThatFits) {
  test::Random random;
  OriginRules rules = Rules({"https://app.example.com", "*.example.org"});
  for (int i = 0; i < 5000; ++i) {
    std::string origin =
        random.OneIn(3) ? random.Bytes(1 + random.Below(40)) : random.Mutated("https://evil.test:8443");
    bool plausible = origin.find("example.com") != std::string::npos ||
                     origin.find(".example.org") != std::string::npos ||
                     origin.find("localhost") != std::string::npos || origin.find("127.") != std::string::npos ||
                     origin.find("::1") != std::string::npos || origin.empty();

    ASSERT_TRUE(plausible || !rules.Allows(origin, "gw.example.com:7310")) << origin;
  }
}

TEST(LoopbackTest, IsKnownByNameAndAddress) {
  for (std::string_view host : {"localhost", "127.0.0.1", "127.255.255.254", "::1", "[::1]"}) {
    EXPECT_TRUE(IsLoopbackHost(host)) << host;
  }
  for (std::string_view host : {"", "localhos", "localhost.", "127.0.0", "126.0.0.1", "127.0.0.1:80", "[::1]:80",
                                "::", "[::]", "0.0.0.0", "[127.0.0.1", "example.com"}) {
    EXPECT_FALSE(IsLoopbackHost(host)) << host;
  }
}

}  // namespace
}  // namespace carillon::auth
