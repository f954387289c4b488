#include "gateway/edge/http_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/support/seed.h"

namespace carillon::edge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr char kGood[] =
    "GET /ws?streams=a,b&token=x%20y HTTP/1.1\r\n"
    "Host: gw.example.com:7310\r\n"
    "Upgrade: websocket\r\n"
    "Connection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "\r\n";

std::string Request(std::string_view line, std::string_view headers = "Host: gw\r\n") {
  return std::string(line) + "\r\n" + std::string(headers) + "\r\n";
}

// A verdict as text: "incomplete", "ok", or the status and the reason.
std::string Verdict(const HeadResult& result) {
  if (std::holds_alternative<Incomplete>(result)) return "incomplete";
  if (const auto* error = std::get_if<HttpError>(&result)) {
    return std::to_string(error->status) + " " + std::string(error->reason);
  }
  return "ok";
}

// The verdict on what comes one byte at a time: the first that is not "incomplete".
std::string VerdictByteByByte(std::string_view bytes) {
  for (size_t size = 1; size <= bytes.size(); ++size) {
    std::string verdict = Verdict(ParseHead(bytes.substr(0, size)));
    if (verdict != "incomplete") return verdict;
  }
  return "incomplete";
}

HttpRequest Parsed(std::string_view bytes) {
  HeadResult result = ParseHead(bytes);
  EXPECT_EQ(Verdict(result), "ok") << bytes;
  return std::holds_alternative<ParsedHead>(result) ? std::get<ParsedHead>(result).request : HttpRequest{};
}

TEST(HttpHeadTest, AGoodRequestIsTakenApart) {
  HttpRequest request = Parsed(kGood);

  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.path, "/ws");
  EXPECT_THAT(request.query, ElementsAre(Pair("streams", "a,b"), Pair("token", "x y")));
  EXPECT_EQ(request.Header("host"), "gw.example.com:7310");
  EXPECT_EQ(request.Header("absent"), "");
  EXPECT_TRUE(request.HeaderHasToken("connection", "upgrade"));
  EXPECT_TRUE(request.HeaderHasToken("upgrade", "websocket"));
  EXPECT_FALSE(request.HeaderHasToken("connection", "grade"));
}

TEST(HttpHeadTest, TheVersionIsRemembered) {
  EXPECT_TRUE(Parsed(kGood).http_1_1);
  EXPECT_FALSE(Parsed(Request("GET / HTTP/1.0")).http_1_1);
}

TEST(HttpHeadTest, WhatComesAfterTheHeadIsLeft) {
  std::string bytes = std::string(kGood) + "\x81\x85 frame bytes\r\n\r\n";

  HeadResult result = ParseHead(bytes);

  ASSERT_EQ(Verdict(result), "ok");
  EXPECT_EQ(std::get<ParsedHead>(result).size, sizeof kGood - 1);
}

TEST(HttpHeadTest, TokensAreFoundAcrossRepeatedHeaders) {
  HttpRequest request =
      Parsed(Request("GET / HTTP/1.1", "Host: gw\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: B , c\r\n"));

  for (std::string_view token : {"a", "b", "c"}) {
    EXPECT_TRUE(request.HeaderHasToken("sec-websocket-protocol", token)) << token;
  }
}

struct RowCase {
  std::string_view row;
  std::string bytes;
  std::string verdict;
};

std::string Repeated(std::string_view text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out.append(text);
  return out;
}

const std::vector<RowCase>& Rows() {
  static const std::vector<RowCase> rows = {
      // What is served.
      {"ok", kGood, "ok"},
      {"ok: HTTP/1.0", Request("GET / HTTP/1.0"), "ok"},
      {"ok: HTTP/1.0 without Host", Request("GET /readyz HTTP/1.0", ""), "ok"},
      {"ok: any method", Request("POST /x HTTP/1.1", "Host: gw\r\nContent-Length: 0\r\n"), "ok"},
      {"ok: an IPv6 host", Request("GET / HTTP/1.1", "Host: [::1]:7310\r\n"), "ok"},
      {"ok: empty values", Request("GET / HTTP/1.1", "Host: gw\r\nX: \r\nY:\r\n"), "ok"},
      {"ok: bytes above ASCII in a value", Request("GET / HTTP/1.1", "Host: gw\r\nX: caf\xc3\xa9\r\n"), "ok"},
      {"ok: repeated harmless headers", Request("GET / HTTP/1.1", "Host: gw\r\nCookie: a=1\r\nCookie: b=2\r\n"), "ok"},
      {"ok: the longest request line", Request("GET /" + std::string(8191 - 14, 'a') + " HTTP/1.1"), "ok"},
      {"ok: 100 fields", Request("GET / HTTP/1.1", "Host: gw\r\n" + Repeated("X: y\r\n", 99)), "ok"},
      {"ok: nearly 8 KiB of headers", Request("GET / HTTP/1.1", "Host: gw\r\nX: " + std::string(8000, 'x') + "\r\n"),
       "ok"},

      // R1: 400 malformed.
      {"R1 text", "hello\r\n\r\n", "400 malformed"},
      {"R1 lower-case method", Request("get / HTTP/1.1"), "400 malformed"},
      {"R1 HTTP/0.9", "GET /\r\n", "400 malformed"},
      {"R1 HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 malformed"},
      {"R1 HTTP/1.2", Request("GET / HTTP/1.2"), "400 malformed"},
      {"R1 HTTP/3", Request("GET / HTTP/3"), "400 malformed"},
      {"R1 TLS hello", std::string("\x16\x03\x01\x02\x00\x01\x00", 7), "400 malformed"},
      {"R1 NUL in the line", Request(std::string_view("GET /\0 HTTP/1.1", 15)), "400 malformed"},
      {"R1 TAB in the line", Request("GET\t/ HTTP/1.1"), "400 malformed"},
      {"R1 DEL in the line", Request("GET /\x7f HTTP/1.1"), "400 malformed"},
      {"R1 two spaces", Request("GET  / HTTP/1.1"), "400 malformed"},
      {"R1 a space in the target", Request("GET /a b HTTP/1.1"), "400 malformed"},
      {"R1 no target", Request("GET HTTP/1.1"), "400 malformed"},
      {"R1 bare LF after the line", "GET / HTTP/1.1\nHost: gw\r\n\r\n", "400 malformed"},
      {"R1 bare LF after a header", "GET / HTTP/1.1\r\nHost: gw\nX: y\r\n\r\n", "400 malformed"},
      {"R1 bare LF at the end", "GET / HTTP/1.1\r\nHost: gw\r\n\n", "400 malformed"},
      {"R1 bare CR in a value", Request("GET / HTTP/1.1", "Host: gw\r\nX: a\rb\r\n"), "400 malformed"},
      {"R1 folded by a space", Request("GET / HTTP/1.1", "Host: gw\r\nX: a\r\n b\r\n"), "400 malformed"},
      {"R1 folded by a tab", Request("GET / HTTP/1.1", "Host: gw\r\nX: a\r\n\tb\r\n"), "400 malformed"},
      {"R1 folded at once", Request("GET / HTTP/1.1", " X: a\r\nHost: gw\r\n"), "400 malformed"},
      {"R1 NUL in a value", Request("GET / HTTP/1.1", std::string_view("Host: gw\r\nX: a\0b\r\n", 18)),
       "400 malformed"},
      {"R1 a control byte in a value", Request("GET / HTTP/1.1", "Host: gw\r\nX: a\x01\r\n"), "400 malformed"},
      {"R1 DEL in a value", Request("GET / HTTP/1.1", "Host: gw\r\nX: a\x7f\r\n"), "400 malformed"},
      {"R1 a space before the colon", Request("GET / HTTP/1.1", "Host : gw\r\n"), "400 malformed"},
      {"R1 no colon", Request("GET / HTTP/1.1", "Host: gw\r\nX\r\n"), "400 malformed"},
      {"R1 an empty name", Request("GET / HTTP/1.1", "Host: gw\r\n: x\r\n"), "400 malformed"},
      {"R1 a name with a space", Request("GET / HTTP/1.1", "Host: gw\r\nX Y: z\r\n"), "400 malformed"},
      {"R1 a name above ASCII", Request("GET / HTTP/1.1", "Host: gw\r\nCaf\xc3\xa9: z\r\n"), "400 malformed"},
      {"R1 a broken escape", Request("GET /%zz HTTP/1.1"), "400 malformed"},
      {"R1 half an escape", Request("GET /%4 HTTP/1.1"), "400 malformed"},
      {"R1 a target above ASCII", Request("GET /\xff HTTP/1.1"), "400 malformed"},
      {"R1 a fragment", Request("GET /a#b HTTP/1.1"), "400 malformed"},
      {"R1 a host with a path", Request("GET / HTTP/1.1", "Host: gw/x\r\n"), "400 malformed"},
      {"R1 a host with a user", Request("GET / HTTP/1.1", "Host: evil@gw\r\n"), "400 malformed"},
      {"R1 two hosts in one", Request("GET / HTTP/1.1", "Host: a, b\r\n"), "400 malformed"},

      // R2: 400 dup_header.
      {"R2 no Host", Request("GET / HTTP/1.1", "X: y\r\n"), "400 dup_header"},
      {"R2 no headers", Request("GET / HTTP/1.1", ""), "400 dup_header"},
      {"R2 empty Host", Request("GET / HTTP/1.1", "Host:\r\n"), "400 dup_header"},
      {"R2 two Hosts", Request("GET / HTTP/1.1", "Host: gw\r\nHost: gw\r\n"), "400 dup_header"},
      {"R2 two Hosts, other case", Request("GET / HTTP/1.1", "Host: gw\r\nHOST: evil\r\n"), "400 dup_header"},
      {"R2 two Origins", Request("GET / HTTP/1.1", "Host: gw\r\nOrigin: a\r\nOrigin: b\r\n"), "400 dup_header"},
      {"R2 two tokens", Request("GET / HTTP/1.1", "Host: gw\r\nAuthorization: Bearer a\r\nAuthorization: Bearer a\r\n"),
       "400 dup_header"},
      {"R2 two keys", Request("GET / HTTP/1.1", "Host: gw\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Key: b\r\n"),
       "400 dup_header"},
      {"R2 two versions",
       Request("GET / HTTP/1.1", "Host: gw\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8\r\n"),
       "400 dup_header"},
      {"R2 two lengths", Request("GET / HTTP/1.1", "Host: gw\r\nContent-Length: 0\r\nContent-Length: 0\r\n"),
       "400 dup_header"},

      // R3: 400 smuggling.
      {"R3 length and coding",
       Request("POST / HTTP/1.1", "Host: gw\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n"), "400 smuggling"},
      {"R3 a length below zero", Request("POST / HTTP/1.1", "Host: gw\r\nContent-Length: -1\r\n"), "400 smuggling"},
      {"R3 coding and length",
       Request("POST / HTTP/1.1", "Host: gw\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n"), "400 smuggling"},
      {"R3 chunked", Request("POST / HTTP/1.1", "Host: gw\r\nTransfer-Encoding: chunked\r\n"), "400 smuggling"},
      {"R3 not ending in chunked", Request("POST / HTTP/1.1", "Host: gw\r\nTransfer-Encoding: chunked, gzip\r\n"),
       "400 smuggling"},
      {"R3 identity", Request("POST / HTTP/1.1", "Host: gw\r\nTransfer-Encoding: identity\r\n"), "400 smuggling"},
      {"R3 a body on an upgrade", Request("GET / HTTP/1.1", "Host: gw\r\nUpgrade: websocket\r\nContent-Length: 5\r\n"),
       "400 smuggling"},

      // R4: 414 and 431.
      {"R4 a long line", Request("GET /" + std::string(8192, 'a') + " HTTP/1.1"), "414 too_large"},
      {"R4 a line without end", "GET /" + std::string(20000, 'a'), "414 too_large"},
      {"R4 a long header", Request("GET / HTTP/1.1", "Host: gw\r\nX: " + std::string(8192, 'x') + "\r\n"),
       "431 too_large"},
      {"R4 headers without end",
       "GET / HTTP/1.1\r\nHost: gw\r\n" + Repeated("X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 300), "431 too_large"},
      {"R4 101 fields", Request("GET / HTTP/1.1", "Host: gw\r\n" + Repeated("X: y\r\n", 100)), "431 too_large"},
      {"R4 a thousand fields", Request("GET / HTTP/1.1", "Host: gw\r\n" + Repeated("X:\r\n", 1000)), "431 too_large"},
  };
  return rows;
}

TEST(HttpHeadTest, EveryRowGetsItsAnswer) {
  for (const RowCase& row : Rows()) EXPECT_EQ(Verdict(ParseHead(row.bytes)), row.verdict) << row.row;
}

TEST(HttpHeadTest, ByteByByteEveryRowGetsTheSame) {
  for (const RowCase& row : Rows()) EXPECT_EQ(VerdictByteByByte(row.bytes), row.verdict) << row.row;
}

TEST(HttpHeadTest, EveryBeginningOfAGoodRequestWaitsForMore) {
  std::string_view good = kGood;
  for (size_t size = 0; size < good.size(); ++size) {
    ASSERT_EQ(Verdict(ParseHead(good.substr(0, size))), "incomplete") << size;
  }
}

TEST(HttpHeadTest, GarbageDoesNotGetToWait) {
  EXPECT_EQ(Verdict(ParseHead("\x16")), "400 malformed");
  EXPECT_EQ(Verdict(ParseHead("{")), "400 malformed");
  EXPECT_EQ(Verdict(ParseHead("GET /\x01")), "400 malformed");
  EXPECT_EQ(Verdict(ParseHead("GET / HTTP/2.0\r\n")), "400 malformed");
  EXPECT_EQ(Verdict(ParseHead("GET / HTTP/1.1\r\nHost: gw\n")), "400 malformed");
}

// RFC 9112 section 2.2; old clients send one after a POST.
TEST(HttpHeadTest, OneEmptyLineBeforeTheRequestIsForgiven) {
  EXPECT_EQ(Verdict(ParseHead("\r\n" + std::string(kGood))), "ok");
  EXPECT_EQ(Verdict(ParseHead("\r\n\r\n" + std::string(kGood))), "400 malformed");
}

TEST(HttpHeadTest, MutationsNeverCrashAndAreJudgedAliveOrDeadBothWays) {
  test::Random random;
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = random.Mutated(Rows()[random.Below(Rows().size())].bytes.substr(0, 600));

    std::string whole = Verdict(ParseHead(bytes));
    std::string fed = VerdictByteByByte(bytes);

    // Which of several faults is found first may differ; whether there is one may not.
    bool refused = whole != "ok" && whole != "incomplete";
    ASSERT_EQ(fed != "ok" && fed != "incomplete", refused) << bytes;
    if (!refused) {
      ASSERT_EQ(fed, whole) << bytes;
    }
  }
}

TEST(HttpResponseTest, AResponseIsWholeAndEndsTheConnection) {
  EXPECT_EQ(
      MakeResponse(200, "text/plain", "ok\n", {{"X-A", "b"}}),
      "HTTP/1.1 200 OK\r\nServer: carillon\r\nConnection: close\r\nContent-Length: 3\r\n"
      "Content-Type: text/plain\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-A: b\r\n\r\nok\n");
}

TEST(HttpResponseTest, AnAnswerToHeadHasTheLengthButNoBody) {
  std::string response = MakeResponse(200, "", "body", {}, false);

  EXPECT_THAT(response, HasSubstr("Content-Length: 4\r\n"));
  EXPECT_TRUE(response.ends_with("\r\n\r\n"));
}

TEST(HttpResponseTest, ARefusalNamesTheRuleAndTheSetting) {
  std::string response =
      MakeErrorResponse({403, "origin", "pages of \"x\" may not", "edge.allowed_origins", {{"Retry-After", "3"}}});

  EXPECT_TRUE(response.starts_with("HTTP/1.1 403 Forbidden\r\n"));
  EXPECT_THAT(response, HasSubstr("Retry-After: 3\r\n"));
  EXPECT_THAT(response, HasSubstr("Content-Type: application/json\r\n"));
  std::string body = response.substr(response.find("\r\n\r\n") + 4);
  EXPECT_THAT(response, HasSubstr("Content-Length: " + std::to_string(body.size()) + "\r\n"));
  boost::json::value error = boost::json::parse(body).at("error");
  EXPECT_EQ(error.at("code").as_string(), "origin");
  EXPECT_EQ(error.at("message").as_string(), "pages of \"x\" may not");
  EXPECT_EQ(error.at("setting").as_string(), "edge.allowed_origins");
}

}  // namespace
}  // namespace carillon::edge
