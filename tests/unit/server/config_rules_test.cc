#include "gateway/server/config_rules.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "gateway/server/config_values.h"

namespace carillon::server {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kSecret[] = "auth { hs256_secret: '0123456789abcdef0123456789abcdef' } ";
constexpr char kKey[] = "name: 'a' secret: 'sixteen-bytes!!!'";

// The defaults, endpoints included, with `text` merged in.
v1::Config Config(const std::string& text) {
  v1::Config parsed;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &parsed)) << text;
  v1::Config config;
  SetDefaults(config);
  for (const v1::Endpoint& endpoint : parsed.edge().endpoints()) {
    v1::Endpoint& added = *config.mutable_edge()->add_endpoints();
    SetDefaults(added);
    added.MergeFrom(endpoint);
    if (endpoint.path() == "/off") added.set_enabled(false);  // text format cannot unset a default
  }
  parsed.mutable_edge()->clear_endpoints();
  config.MergeFrom(parsed);
  return config;
}

// "path: message" of each problem.
std::vector<std::string> Problems(const v1::Config& config) {
  std::vector<std::string> problems;
  CheckRules(config,
             [&](const std::string& path, const std::string& message) { problems.push_back(path + ": " + message); });
  return problems;
}

struct RuleCase {
  std::string config;
  std::string problem;  // "": none
};

TEST(ConfigRulesTest, EachRuleIsKept) {
  const RuleCase kCases[] = {
      {kSecret, ""},

      {"auth { cookie: 'sid' } edge { endpoints { anonymous: true } }", ""},
      {"auth { cookie: 'my sid' } edge { endpoints { anonymous: true } }", "auth.cookie: is not the name of a cookie"},
      {"auth { cookie: 'sid' } edge { allowed_origins: '*' endpoints { anonymous: true } }", "auth.cookie: with"},

      // Somebody must be able to connect.
      {"", "auth.hs256_secret: nobody can connect"},
      {"edge { endpoints {} }", "auth.hs256_secret: nobody can connect"},
      {"edge { endpoints { anonymous: true } }", ""},
      {"edge { endpoints { path: '/off' anonymous: true } }", "edge.endpoints: nobody can connect: none of them"},
      {std::string(kSecret) + "edge { endpoints { path: '/off' } }",
       "edge.endpoints: nobody can connect: none of them"},

      // Addresses.
      {std::string(kSecret) + "edge { listen: 'nowhere' }", "edge.listen: "},
      {std::string(kSecret) + "admin { listen: '127.0.0.1' }", "admin.listen: "},
      {std::string(kSecret) + "control { listen: 'x:1' insecure: true }", "control.listen: "},
      {std::string(kSecret) + "edge { listen: '0.0.0.0:80' }", ""},
      {std::string(kSecret) + "edge { listen: '[::1]:80' }", ""},

      // One port each.
      {std::string(kSecret) + "edge { listen: '127.0.0.1:80' } admin { listen: '127.0.0.1:80' }",
       "admin.listen: 127.0.0.1:80 is taken"},
      {std::string(kSecret) + "edge { listen: '127.0.0.1:0' } admin { listen: '127.0.0.1:0' }", ""},
      {std::string(kSecret) + "control { listen: 'unix:' }", "control.listen: unix: needs a path"},

      // A control plane that others reach wants TLS and keys, or certificates.
      {std::string(kSecret) + "control { listen: '0.0.0.0:7311' }", "control.listen: is open to others"},
      {std::string(kSecret) + "control { listen: '[::]:7311' }", "control.listen: is open to others"},
      {std::string(kSecret) + "control { listen: '10.0.0.1:7311' }", "control.listen: is open to others"},
      {std::string(kSecret) + "control { listen: '[::1]:7311' }", ""},
      {std::string(kSecret) + "control { listen: 'localhost:7311' }", ""},
      {std::string(kSecret) + "control { listen: '127.8.8.8:7311' }", ""},
      {std::string(kSecret) + "control { listen: 'unix:/run/carillon.sock' }", ""},
      {std::string(kSecret) + "control { listen: '0.0.0.0:7311' insecure: true }", ""},
      {std::string(kSecret) + "control { listen: '0.0.0.0:7311' keys { " + kKey + " } }",
       "control.listen: is open to others"},
      {std::string(kSecret) + "control { listen: '0.0.0.0:7311' tls { cert_file: 'a' key_file: 'a' } }",
       "control.listen: is open to others"},
      {std::string(kSecret) + "control { listen: '0.0.0.0:7311' tls { cert_file: 'a' key_file: 'a' } keys { " + kKey +
           " } }",
       ""},
      {std::string(kSecret) +
           "control { listen: '0.0.0.0:7311' tls { cert_file: 'a' key_file: 'a' client_ca_file: 'a' } }",
       ""},

      // Keys.
      {std::string(kSecret) + "control { keys { secret: 'sixteen-bytes!!!' } }", "control.keys[0].name: "},
      {std::string(kSecret) + "control { keys { name: '" + std::string(65, 'n') + "' secret: 'sixteen-bytes!!!' } }",
       "control.keys[0].name: "},
      {std::string(kSecret) + "control { keys { name: 'a' secret: 'fifteen-bytes!!' } }",
       "control.keys[0].secret: at least 16 bytes"},
      {std::string(kSecret) + "control { keys { " + kKey + " } keys { name: 'a' secret: 'another-of-16-bytes' } }",
       "control.keys[1].name: two keys"},
      {std::string(kSecret) + "control { keys { name: 'a' secret: 'a line\\nand another line' } }",
       "control.keys[0].secret: must be printable"},
      {std::string(kSecret) + "control { keys { name: 'a' secret: 'one-of-16-bytes!' } "
                              "keys { name: 'b' secret: 'one-of-16-bytes!' } }",
       "control.keys[1].secret: two keys"},

      // Endpoints.
      {std::string(kSecret) + "edge { endpoints { path: 'ws' } }", "edge.endpoints[0].path: must look like /ws"},
      {std::string(kSecret) + "edge { endpoints { path: '/ws/' } }", "edge.endpoints[0].path: "},
      {std::string(kSecret) + "edge { endpoints { path: '/' } }", "edge.endpoints[0].path: "},
      {std::string(kSecret) + "edge { endpoints { path: '/a b' } }", "edge.endpoints[0].path: "},
      {std::string(kSecret) + "edge { endpoints { path: '/a?b' } }", "edge.endpoints[0].path: "},
      {std::string(kSecret) + "edge { endpoints { path: '/a//b' } }", "edge.endpoints[0].path: "},
      {std::string(kSecret) + "edge { endpoints { path: '/a/%62' } }", "edge.endpoints[0].path: "},
      {std::string(kSecret) + "edge { endpoints { path: '/app-1/v2.0/_~' } }", ""},
      {std::string(kSecret) + "edge { endpoints {} endpoints {} }",
       "edge.endpoints[1].path: two endpoints have the path /ws"},
      {std::string(kSecret) + "edge { endpoints { path: '/a/b' } endpoints { path: '/a' } }", ""},
      {std::string(kSecret) + "edge { endpoints { dialect: DIALECT_KIND_ECHO } }", ""},
      {std::string(kSecret) + "edge { listen: '0.0.0.0:80' endpoints { dialect: DIALECT_KIND_ECHO } }",
       "edge.endpoints[0].dialect: echo"},
      {std::string(kSecret) + "edge { endpoints { ping_interval { seconds: 60 } } }",
       "edge.endpoints[0].peer_timeout: must be longer than ping_interval"},
      {std::string(kSecret) + "edge { endpoints { outbox_bytes: 4096 } }",
       "edge.endpoints[0].outbox_bytes: is smaller"},

      // Origins.
      {std::string(kSecret) + "edge { allowed_origins: '*' allowed_origins: '*.example.com' }", ""},
      {std::string(kSecret) + "edge { allowed_origins: 'https://a.com' allowed_origins: 'a.com' }",
       "edge.allowed_origins[1]: \"a.com\" is no origin"},

      // Streams.
      {std::string(kSecret) + "streams { pattern: 'a-[x-z]*' } streams { pattern: '*' }", ""},
      {std::string(kSecret) + "streams {}", "streams[0].pattern: is missing"},
      {std::string(kSecret) + "streams { pattern: 'a' subscribe { owners: 'user-{user}' roles: 'x' } }", ""},
      {std::string(kSecret) + "streams { pattern: 'a' subscribe { owners: 'user-{user' } }",
       "streams[0].subscribe.owners[0]: has a { without a }"},
      {std::string(kSecret) + "streams { pattern: 'a' subscribe { owners: '{user}-{workspace}' } }",
       "streams[0].subscribe.owners[0]: names two things"},
      {std::string(kSecret) + "streams { pattern: 'a' publish { owners: 'user' } }",
       "streams[0].publish.owners[0]: is the same for everybody"},
      {std::string(kSecret) + "streams { pattern: 'a' subscribe { roles: '' } }",
       "streams[0].subscribe.roles[0]: is empty"},
      {std::string(kSecret) + "streams { pattern: 'a' subscribe { who: STREAM_ACCESS_NOBODY roles: 'x' } }",
       "streams[0].subscribe.who: is nobody"},
      {std::string(kSecret) + "streams { pattern: 'a' publish { who: STREAM_ACCESS_ANYONE roles: 'x' } }",
       "streams[0].publish.who: admits those"},
      {std::string(kSecret) + "streams { pattern: 'a' subscribe { filter { key: 'w' value: '{workspace}' } } }", ""},
      {std::string(kSecret) + "streams { pattern: 'a' presence { mode: PRESENCE_MODE_ON updates: '3/10s' } }", ""},
      {std::string(kSecret) + "streams { pattern: 'a' presence { updates: 'often' } }",
       "streams[0].presence.updates: must look like"},
      {std::string(kSecret) + "streams { pattern: 'a' presence { mode: PRESENCE_MODE_ON } subscribe { filter { key: "
                              "'w' value: '{w}' } } }",
       "streams[0].presence.mode: cannot be on"},
      {std::string(kSecret) + "streams { pattern: 'a' subscribe { filter { value: '{workspace}' } } }",
       "streams[0].subscribe.filter[0].key: needs"},
      {std::string(kSecret) + "streams { pattern: 'a' subscribe { filter { key: 'from' value: '{user}' } } }",
       "streams[0].subscribe.filter[0].key: needs"},
      {std::string(kSecret) + "edge { endpoints { path: '/app/x' } }", "edge.endpoints[0].path: /app/ is where"},
      {std::string(kSecret) + "streams { pattern: 'a' subscribe { filter { key: 'w' value: '}' } } }",
       "streams[0].subscribe.filter[0].value: has a }"},
      {std::string(kSecret) + "streams { pattern: 'a' publish { events { event: 'typing.*' rate: '5/5s' } } }", ""},
      {std::string(kSecret) + "streams { pattern: 'a' publish { events { event: 'ty*ing' } } }",
       "streams[0].publish.events[0].event: needs a name"},
      {std::string(kSecret) + "streams { pattern: 'a' publish { events { event: 'a' rate: '5' } } }",
       "streams[0].publish.events[0].rate: must look like"},
      {std::string(kSecret) + "apps { name: 'shop' }", ""},
      {std::string(kSecret) + "apps { name: 'Shop' }", "apps[0].name: an app's name has"},
      {std::string(kSecret) + "apps {}", "apps[0].name: an app's name has"},
      {std::string(kSecret) + "apps { name: 'default' key: 'k' }", "apps[0].name: is what everything outside"},
      {std::string(kSecret) + "apps { name: 'a' } apps { name: 'a' key: 'b' }", "apps[1].name: two apps"},
      {std::string(kSecret) + "apps { name: 'a' key: 'k/1' }", "apps[0].key: 1 to 64"},
      {std::string(kSecret) + "apps { name: 'a' key: 'default' }", "apps[0].key: another app has this key"},
      {std::string(kSecret) + "apps { name: 'a' key: 'b' } apps { name: 'b' }",
       "apps[1].name: another app has this key"},
      {std::string(kSecret) + "apps { name: 'a' allowed_origins: 'x' }", "apps[0].allowed_origins[0]: "},
      {std::string(kSecret) + "apps { name: 'a' auth { cookie: 'a b' } }", "apps[0].auth.cookie: is not the name"},
      {std::string(kSecret) + "apps { name: 'a' auth { cookie: 'sid' } allowed_origins: '*' }",
       "apps[0].auth.cookie: with apps[0].allowed_origins"},
      {std::string(kSecret) + "apps { name: 'a' streams { pattern: 'a b' } }",
       "apps[0].streams[0].pattern: matches no stream"},
      {std::string(kSecret) + "edge { endpoints { path: '/a' app: 'nowhere' } }",
       "edge.endpoints[0].app: there is no app nowhere"},
      {std::string(kSecret) + "edge { app_domain: 'rt.example.com' }", ""},
      {std::string(kSecret) + "edge { app_domain: 'RT.example.com' }", "edge.app_domain: must look like"},
      {std::string(kSecret) + "edge { app_domain: '.example.com' }", "edge.app_domain: must look like"},
      {std::string(kSecret) + "edge { app_domain: 'example.com:80' }", "edge.app_domain: must look like"},
      {std::string(kSecret) + "control { keys { " + kKey + " apps: 'default' apps: '*' streams: 'chat-*' } }", ""},
      {std::string(kSecret) + "control { keys { " + kKey + " apps: 'nowhere' } }",
       "control.keys[0].apps[0]: there is no app nowhere"},
      {std::string(kSecret) + "control { keys { " + kKey + " streams: 'a b' } }",
       "control.keys[0].streams[0]: matches no stream"},
      {std::string(kSecret) + "streams { pattern: 'chat/*' }", "streams[0].pattern: matches no stream"},
      {std::string(kSecret) + "streams { pattern: 'a[b' }", "streams[0].pattern: matches no stream"},
      {std::string(kSecret) + "streams { pattern: 'a' } streams { pattern: 'a' }", "streams[1].pattern: stands above"},
      {std::string(kSecret) + "streams { pattern: '*' } streams { pattern: 'a' }", "streams[1].pattern: never counts"},
  };
  for (const RuleCase& c : kCases) {
    std::vector<std::string> problems = Problems(Config(c.config));

    if (c.problem.empty()) {
      EXPECT_THAT(problems, IsEmpty()) << c.config;
    } else {
      EXPECT_THAT(problems, ::testing::ElementsAre(HasSubstr(c.problem))) << c.config;
    }
  }
}

TEST(ConfigRulesTest, HeartbeatsMayBeOff) {
  v1::Config config = Config(std::string(kSecret) + "edge { endpoints {} }");
  v1::Endpoint& endpoint = *config.mutable_edge()->mutable_endpoints(0);

  endpoint.clear_ping_interval();
  EXPECT_THAT(Problems(config), IsEmpty());
  endpoint.mutable_ping_interval()->set_seconds(60);
  endpoint.clear_peer_timeout();
  EXPECT_THAT(Problems(config), IsEmpty());
}

TEST(ConfigRulesTest, AllProblemsAreTold) {
  EXPECT_EQ(Problems(Config("edge { listen: 'x' endpoints { path: 'y' } } control { listen: 'z' keys {} }")).size(),
            6u);
}

}  // namespace
}  // namespace carillon::server
