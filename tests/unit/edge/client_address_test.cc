#include "gateway/edge/client_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace carillon::edge {
namespace {

using ::testing::HasSubstr;

Address A(const std::string& text) {
  return boost::asio::ip::make_address(text);
}

TEST(TrustedProxiesTest, AddressesAndNetworks) {
  auto proxies = TrustedProxies::Parse({"10.1.0.0/16", "192.0.2.7", "fd00::/8", "2001:db8::1", "172.16.5.5/12"});
  ASSERT_TRUE(proxies.ok()) << MessageOf(proxies.status());
  for (const char* in : {"10.1.0.0", "10.1.255.255", "192.0.2.7", "fd00::1", "fdff::1", "2001:db8::1", "172.31.0.1"}) {
    EXPECT_TRUE(proxies->Contains(A(in))) << in;
  }
  for (const char* out : {"10.2.0.1", "10.0.255.255", "192.0.2.8", "fe00::1", "2001:db8::2", "172.32.0.1", "::1"}) {
    EXPECT_FALSE(proxies->Contains(A(out))) << out;
  }
  EXPECT_FALSE(TrustedProxies().Contains(A("10.1.0.1")));
}

TEST(TrustedProxiesTest, WhatIsNoneIsQuoted) {
  for (const char* bad : {"", "proxy.example.com", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "fd00::/129", "10.0.0.1:80",
                          "10.0.0.0/-1", "*", "10.0.0.1 ", "/8"}) {
    auto proxies = TrustedProxies::Parse({"10.0.0.1", bad});
    ASSERT_FALSE(proxies.ok()) << bad;
    EXPECT_THAT(MessageOf(proxies.status()), HasSubstr(std::string("\"") + bad + "\""));
  }
}

TEST(ClientAddressTest, TheRightMostHopThatIsNoProxy) {
  TrustedProxies proxies = *TrustedProxies::Parse({"10.0.0.0/8", "fd00::/8"});
  struct Case {
    const char* peer;
    std::vector<std::string> headers;
    const char* client;
  };
  const Case kCases[] = {
      {"203.0.113.1", {"198.51.100.9"}, "203.0.113.1"},  // not from a proxy: it does not count
      {"203.0.113.1", {}, "203.0.113.1"},
      {"10.0.0.1", {}, "10.0.0.1"},
      {"10.0.0.1", {""}, "10.0.0.1"},
      {"10.0.0.1", {"198.51.100.9"}, "198.51.100.9"},
      {"::ffff:10.0.0.1", {"198.51.100.9"}, "198.51.100.9"},
      {"10.0.0.1", {"::ffff:198.51.100.9"}, "198.51.100.9"},
      {"10.0.0.1", {"1.1.1.1, 198.51.100.9"}, "198.51.100.9"},  // what stands left, the client may have written
      {"10.0.0.1", {"1.1.1.1,198.51.100.9 , 10.2.2.2"}, "198.51.100.9"},
      {"10.0.0.1", {"1.1.1.1", "198.51.100.9, 10.2.2.2", "10.3.3.3"}, "198.51.100.9"},
      {"10.0.0.1", {"10.4.4.4, 10.2.2.2"}, "10.4.4.4"},  // a client within
      {"10.0.0.1", {"198.51.100.9, unknown"}, "10.0.0.1"},
      {"10.0.0.1", {"198.51.100.9, unknown, 10.2.2.2"}, "10.2.2.2"},
      {"10.0.0.1", {"198.51.100.9,"}, "10.0.0.1"},
      {"10.0.0.1", {"198.51.100.9:4711"}, "198.51.100.9"},
      {"10.0.0.1", {"2001:db8::7"}, "2001:db8::7"},
      {"10.0.0.1", {"[2001:db8::7]"}, "2001:db8::7"},
      {"10.0.0.1", {"[2001:db8::7]:4711"}, "2001:db8::7"},
      {"fd00::1", {"[2001:db8::7]:4711, fd00::2"}, "2001:db8::7"},
      {"10.0.0.1", {"[2001:db8::7"}, "2001:db8::7"},
      {"10.0.0.1", {"fe80::1%eth0"}, "10.0.0.1"},
      {"10.0.0.1", {"198.51.100.9; drop table"}, "10.0.0.1"},
      {"10.0.0.1", {"1.2.3"}, "10.0.0.1"},
  };
  for (const Case& c : kCases) {
    HttpRequest request;
    for (const std::string& header : c.headers) request.headers.emplace_back("x-forwarded-for", header);
    request.headers.emplace_back("x-real-ip", "9.9.9.9");
    EXPECT_EQ(ClientAddress(A(c.peer), request, proxies).to_string(), c.client)
        << c.peer << " " << ::testing::PrintToString(c.headers);
  }
}

}  // namespace
}  // namespace carillon::edge
