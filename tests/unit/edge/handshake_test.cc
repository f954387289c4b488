#include "gateway/edge/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/apps.h"

namespace carillon::edge {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

constexpr std::chrono::system_clock::time_point kNow{std::chrono::seconds(1'700'000'000)};

std::string Token(std::string_view more = "") {
  return test::MakeToken(R"({"sub":"alice","exp":1700003600)" + std::string(more) + "}");
}

class HandshakeTest : public ::testing::Test {
 protected:
  HandshakeTest() {
    app_.origins = *auth::OriginRules::Parse({"https://app.example.com"});
    endpoint().path = "/ws";
    endpoint().session.dialect = &dialect::Native();
    request_.method = "GET";
    request_.path = "/ws";
    request_.headers = {{"host", "gw:7310"},
                        {"upgrade", "websocket"},
                        {"connection", "keep-alive, Upgrade"},
                        {"sec-websocket-version", "13"},
                        {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="}};
    WithToken(Token());
  }

  EndpointRules& endpoint() { return endpoint_; }

  void SetHeader(const std::string& name, const std::string& value) {
    RemoveHeader(name);
    request_.headers.emplace_back(name, value);
  }
  void RemoveHeader(std::string_view name) {
    std::erase_if(request_.headers, [name](const auto& header) { return header.first == name; });
  }
  void WithToken(const std::string& token) {
    RemoveHeader("authorization");
    if (!token.empty()) SetHeader("authorization", "Bearer " + token);
  }

  edge::Verdict Verdict() {
    bool unknown_key = false;
    return Judge(request_, app_, endpoint(), {path_stream_, {}, kNow, answers_.get()}, &unknown_key);
  }

  Admission Admitted() {
    edge::Verdict verdict = Verdict();
    const auto* error = std::get_if<HttpError>(&verdict);
    EXPECT_EQ(error, nullptr) << error->status << " " << error->message;
    return error == nullptr ? std::get<Admission>(verdict) : Admission{};
  }

  HttpError Refused() {
    edge::Verdict verdict = Verdict();
    EXPECT_TRUE(std::holds_alternative<HttpError>(verdict));
    return std::holds_alternative<HttpError>(verdict) ? std::get<HttpError>(verdict) : HttpError{0};
  }

  // "401 invalid_token", or "admitted".
  std::string Outcome() {
    edge::Verdict verdict = Verdict();
    const auto* error = std::get_if<HttpError>(&verdict);
    return error == nullptr ? "admitted" : std::to_string(error->status) + " " + std::string(error->reason);
  }

  EndpointRules endpoint_;
  auth::App app_ = test::DefaultApp();
  HttpRequest request_;
  std::shared_ptr<const Answers> answers_;  // to the question of before
  std::string path_stream_;
};

TEST_F(HandshakeTest, AGoodRequestIsAdmitted) {
  Admission admission = Admitted();

  EXPECT_EQ(admission.endpoint, &endpoint());
  EXPECT_EQ(admission.identity->user_id, "alice");
  EXPECT_FALSE(admission.owes_auth);
  EXPECT_EQ(admission.websocket_key, "dGhlIHNhbXBsZSBub25jZQ==");
  EXPECT_EQ(admission.subprotocol, "");
  EXPECT_EQ(admission.refused_because, "");
}

TEST_F(HandshakeTest, R6OtherMethodsGet405) {
  for (const char* method : {"POST", "HEAD", "OPTIONS", "DELETE", "get"}) {
    request_.method = method;

    HttpError error = Refused();

    EXPECT_EQ(error.status, 405);
    EXPECT_EQ(error.reason, "method");
    EXPECT_THAT(error.headers, ElementsAre(Pair("Allow", "GET")));
  }
}

struct HeaderCase {
  std::string name;
  std::string value;  // "-": missing
  std::string outcome;
};

TEST_F(HandshakeTest, R7AndR8UpgradeHeadersAreJudgedByTheTable) {
  const HeaderCase kCases[] = {
      {"upgrade", "WebSocket", "admitted"},
      {"upgrade", "h2c, websocket", "admitted"},
      {"upgrade", "-", "426 version"},
      {"upgrade", "h2c", "426 version"},
      {"upgrade", "websockets", "426 version"},
      {"connection", "upgrade", "admitted"},
      {"connection", "-", "426 version"},
      {"connection", "keep-alive", "426 version"},
      {"sec-websocket-version", "-", "426 version"},
      {"sec-websocket-version", "8", "426 version"},
      {"sec-websocket-version", "13, 8", "426 version"},
      {"sec-websocket-version", "013", "426 version"},
      {"sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==", "admitted"},
      {"sec-websocket-key", "-", "400 key"},
      {"sec-websocket-key", "", "400 key"},
      {"sec-websocket-key", "abcd", "400 key"},
      {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ", "400 key"},  // no padding
      {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ===", "400 key"},
      {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZR==", "400 key"},  // bits that belong to no byte
      {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZSE=", "400 key"},  // 17 bytes
      {"sec-websocket-key", "dGhlIHNhbXBsZSBub25j", "400 key"},      // 15 bytes
      {"sec-websocket-key", "dGhlIHNhbXBs ZSBub25jZQ==", "400 key"},
      {"sec-websocket-key", "dGhlIHNhbXBsZSBub25-ZQ==", "400 key"},  // another alphabet
  };
  auto headers = request_.headers;
  for (const HeaderCase& c : kCases) {
    request_.headers = headers;
    RemoveHeader(c.name);
    if (c.value != "-") SetHeader(c.name, c.value);

    EXPECT_EQ(Outcome(), c.outcome) << c.name << ": " << c.value;
  }
}

TEST_F(HandshakeTest, R7AWebSocketBeginsWithHttp11) {
  request_.http_1_1 = false;

  EXPECT_EQ(Outcome(), "426 version");
}

TEST_F(HandshakeTest, R7SaysWhichVersionIsSpoken) {
  SetHeader("sec-websocket-version", "8");

  EXPECT_THAT(Refused().headers, ElementsAre(Pair("Upgrade", "websocket"), Pair("Sec-WebSocket-Version", "13")));
}

TEST_F(HandshakeTest, R9PagesOfOtherSitesGet403) {
  SetHeader("origin", "https://app.example.com");
  EXPECT_EQ(Outcome(), "admitted");
  SetHeader("origin", "https://evil.example.com");
  HttpError error = Refused();
  EXPECT_EQ(error.status, 403);
  EXPECT_EQ(error.reason, "origin");
  EXPECT_EQ(error.setting, "edge.allowed_origins");
  SetHeader("origin", "null");
  EXPECT_EQ(Outcome(), "403 origin");
}

TEST_F(HandshakeTest, R9ALongOriginIsCutInTheAnswer) {
  SetHeader("origin", "https://" + std::string(5000, 'x'));

  EXPECT_LT(Refused().message.size(), 400u);
}

TEST_F(HandshakeTest, R10TheKnownSubprotocolIsConfirmed) {
  SetHeader("sec-websocket-protocol", "chat, carillon.v1.json");
  EXPECT_EQ(Admitted().subprotocol, "carillon.v1.json");
}

TEST_F(HandshakeTest, R10UnknownSubprotocolsAreRefusedWhereOneIsRequired) {
  SetHeader("sec-websocket-protocol", "chat, superchat");
  EXPECT_EQ(Admitted().subprotocol, "");

  endpoint().require_subprotocol = true;
  EXPECT_EQ(Outcome(), "400 subprotocol");
  RemoveHeader("sec-websocket-protocol");  // none offered is the default one
  EXPECT_EQ(Outcome(), "admitted");
}

TEST_F(HandshakeTest, R11WithoutATokenNobodyGetsIn) {
  WithToken("");

  HttpError error = Refused();

  EXPECT_EQ(error.status, 401);
  EXPECT_EQ(error.reason, "missing_token");
  EXPECT_THAT(error.headers, Contains(Pair("WWW-Authenticate", "Bearer")));
}

TEST_F(HandshakeTest, R11ABadTokenIsNamedSo) {
  for (const std::string& header : {"Bearer " + Token() + "x", std::string("Bearer x"), std::string("Bearer"),
                                    std::string("Basic YTpi"), Token(), "Bearer" + Token()}) {
    SetHeader("authorization", header);

    HttpError error = Refused();

    EXPECT_EQ(error.status, 401) << header;
    EXPECT_EQ(error.reason, "invalid_token") << header;
    EXPECT_THAT(error.headers, Contains(Pair("WWW-Authenticate", "Bearer error=\"invalid_token\""))) << header;
    EXPECT_THAT(error.message, Not(HasSubstr("YTpi")));
  }
}

TEST_F(HandshakeTest, R11AnExpiredTokenIsNotWorthAnonymity) {
  endpoint().anonymous = true;
  WithToken(test::MakeToken(R"({"sub":"alice","exp":1600000000})"));

  EXPECT_EQ(Outcome(), "401 invalid_token");
}

TEST_F(HandshakeTest, R11ARefusalMayBeToldAfterTheHandshake) {
  endpoint().close_on_refusal = true;
  WithToken("bad");
  Admission bad = Admitted();
  EXPECT_NE(bad.refused_because, "");
  EXPECT_EQ(bad.identity, nullptr);
  EXPECT_THAT(bad.streams, IsEmpty());

  WithToken("");
  EXPECT_EQ(Admitted().refused_because, "a token is needed");
}

TEST_F(HandshakeTest, R12AndR13AmbiguousCredentialsGet400) {
  request_.query = {{"token", Token()}};
  EXPECT_EQ(Outcome(), "admitted");  // the same one twice
  request_.query = {{"token", Token(R"(,"name":"x")")}};
  EXPECT_EQ(Outcome(), "400 ambiguous_auth");
  WithToken("");
  request_.query = {{"token", Token()}, {"access_token", "other"}};
  EXPECT_EQ(Outcome(), "400 ambiguous_auth");
}

TEST_F(HandshakeTest, ATokenMayStandInTheQuery) {
  WithToken("");
  for (const char* name : {"token", "access_token"}) {
    request_.query = {{name, Token()}};
    EXPECT_EQ(Admitted().identity->user_id, "alice");
  }
  request_.query = {{"token", ""}, {"Token", Token()}};
  EXPECT_EQ(Outcome(), "401 missing_token");
}

TEST_F(HandshakeTest, ATokenMayComeInACookie) {
  app_.cookie = "sid";
  WithToken("");
  struct Case {
    std::string cookie;
    std::string outcome;
  };
  const Case kCases[] = {
      {"sid=" + Token(), "admitted"},
      {"a=b; sid=" + Token() + ";c=d", "admitted"},
      {"sid=\"" + Token() + "\"", "admitted"},
      {"sid=" + Token() + "; sid=rubbish", "admitted"},  // the first one is of the longer path
      {"sid=rubbish; sid=" + Token(), "401 invalid_token"},
      {"sid=opaque-session-id", "401 invalid_token"},
      {"sid=", "401 missing_token"},
      {"SID=" + Token(), "401 missing_token"},
      {"xsid=" + Token(), "401 missing_token"},
      {"sid " + Token(), "401 missing_token"},
      {"", "401 missing_token"},
      {";;; = ;", "401 missing_token"},
  };
  for (const Case& c : kCases) {
    SetHeader("cookie", c.cookie);
    EXPECT_EQ(Outcome(), c.outcome) << c.cookie;
  }

  SetHeader("cookie", "sid=" + Token());
  EXPECT_EQ(Admitted().identity->user_id, "alice");
  app_.cookie = "";
  EXPECT_EQ(Outcome(), "401 missing_token") << "no cookie is looked at";
}

// R13, as overruled: browsers always send both.
TEST_F(HandshakeTest, R13ACookieMayStandBesideAToken) {
  app_.cookie = "sid";
  SetHeader("cookie", "sid=" + test::MakeToken(R"({"sub":"bob","exp":1700003600})"));

  EXPECT_EQ(Admitted().identity->user_id, "alice");
}

// R9, as overruled: API clients and EventSource of the same origin send no Origin.
TEST_F(HandshakeTest, R9ACookieCountsUnlessAnotherSiteHasItsHandInIt) {
  app_.cookie = "sid";
  WithToken("");
  SetHeader("cookie", "sid=" + Token());
  struct Case {
    const char* origin;
    const char* site;
    const char* outcome;
  };
  constexpr Case kCases[] = {
      {"", "", "admitted"},
      {"", "same-origin", "admitted"},
      {"", "same-site", "admitted"},
      {"", "none", "admitted"},
      {"", "cross-site", "403 origin"},
      {"https://app.example.com", "cross-site", "admitted"},  // the operator said so
      {"https://evil.example.org", "cross-site", "403 origin"},
      {"https://evil.example.org", "", "403 origin"},
      {"null", "cross-site", "403 origin"},
  };
  for (const Case& c : kCases) {
    RemoveHeader("origin");
    RemoveHeader("sec-fetch-site");
    if (*c.origin != '\0') SetHeader("origin", c.origin);
    if (*c.site != '\0') SetHeader("sec-fetch-site", c.site);
    EXPECT_EQ(Outcome(), c.outcome) << c.origin << " " << c.site;
  }

  RemoveHeader("origin");
  SetHeader("sec-fetch-site", "cross-site");
  WithToken(Token());
  EXPECT_EQ(Outcome(), "admitted") << "a token in a header is no cookie";
}

TEST_F(HandshakeTest, WhereAnyoneMayConnectABadCookieIsNone) {
  app_.cookie = "sid";
  endpoint().anonymous = true;
  WithToken("");
  SetHeader("cookie", "sid=of-another-program");
  EXPECT_EQ(Admitted().identity, nullptr);

  SetHeader("cookie", "sid=" + Token());
  EXPECT_EQ(Admitted().identity->user_id, "alice");

  WithToken("rubbish");
  EXPECT_EQ(Outcome(), "401 invalid_token") << "a token was meant";

  WithToken("");
  SetHeader("cookie", "sid=rubbish");
  endpoint().anonymous = false;
  endpoint().session.auth_timeout = std::chrono::seconds(5);
  EXPECT_TRUE(Admitted().owes_auth) << "a token may come as the first frame";
}

TEST_F(HandshakeTest, TheSchemesNameIsInAnyCase) {
  SetHeader("authorization", "bEaReR " + Token());

  EXPECT_EQ(Outcome(), "admitted");
}

TEST_F(HandshakeTest, AnonymousSessionsAreAdmittedWhereTheyMay) {
  endpoint().anonymous = true;
  WithToken("");

  Admission admission = Admitted();

  EXPECT_EQ(admission.identity, nullptr);
  EXPECT_FALSE(admission.owes_auth);
}

TEST_F(HandshakeTest, ATokenMayComeAsTheFirstFrameWhereItMay) {
  endpoint().session.auth_timeout = std::chrono::seconds(5);
  WithToken("");
  EXPECT_TRUE(Admitted().owes_auth);

  WithToken(Token());
  EXPECT_FALSE(Admitted().owes_auth);
  WithToken("bad");
  EXPECT_EQ(Outcome(), "401 invalid_token");
}

TEST_F(HandshakeTest, StreamsComeFromPathQueryAndToken) {
  path_stream_ = "p";
  request_.query = {{"streams", "a,b"}, {"streams", "b,,c,"}, {"Streams", "x"}, {"stream", "y"}};
  WithToken(Token(R"(,"streams":["t","a"])"));

  EXPECT_THAT(Admitted().streams, ElementsAre("p", "a", "b", "b", "c", "t", "a"));
}

TEST_F(HandshakeTest, ChecksComeInTheirOrder) {
  request_.method = "POST";
  RemoveHeader("upgrade");
  SetHeader("sec-websocket-key", "x");
  SetHeader("origin", "https://evil.com");
  SetHeader("sec-websocket-protocol", "chat");
  endpoint().require_subprotocol = true;
  WithToken("bad");

  EXPECT_EQ(Outcome(), "405 method");
  request_.method = "GET";
  EXPECT_EQ(Outcome(), "426 version");
  SetHeader("upgrade", "websocket");
  EXPECT_EQ(Outcome(), "400 key");
  SetHeader("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
  EXPECT_EQ(Outcome(), "403 origin");
  RemoveHeader("origin");
  EXPECT_EQ(Outcome(), "400 subprotocol");
  endpoint().require_subprotocol = false;
  EXPECT_EQ(Outcome(), "401 invalid_token");
}

}  // namespace
}  // namespace carillon::edge
