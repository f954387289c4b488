#include "gateway/server/config_text.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "gateway/server/config_loader.h"

namespace carillon::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

v1::Config Load(const std::string& text) {
  ConfigSources sources;
  sources.file_name = "c.yaml";
  sources.file_text = text;
  auto loaded = LoadConfig(sources);
  EXPECT_TRUE(loaded.ok()) << MessageOf(loaded.status()) << "\n" << text;
  return loaded.ok() ? loaded->config : v1::Config();
}

TEST(ConfigTextTest, WhatIsWrittenIsReadAgain) {
  const char* const kConfigs[] = {
      "edge: {endpoints: [{anonymous: true}]}",
      R"(
edge:
  allowed_origins: ["https://a.example", "*.b.example"]
  endpoints:
    - {path: /ws, anonymous: true, ping_interval: 0s, peer_timeout: 1500ms}
    - {path: /other, anonymous: true, enabled: false, dialect: native}
streams:
  - {pattern: "odd.*", description: "a \"quoted\" \\ word: two\nlines, and ünïcode"}
  - pattern: "room-*"
    slow: drop_oldest
    log: {mode: latest, age: 1m}
    publish: {who: identified, events: [{event: "typing.*", rate: 5/5s}, {event: "yes"}]}
    subscribe: {filter: [{key: team, value: "{team}"}]}
client_events: [{event: "no", action: sync}, {event: "1", action: publish, stream: "x-{data.y}"}]
inbox: {mode: log}
drain: {window: 250ms}
apps: [{name: shop, fold_names: true, limits: {streams: 5}}]
)",
  };
  for (const char* text : kConfigs) {
    v1::Config config = Load(text);
    std::string yaml = ToYaml(config);
    v1::Config again = Load(yaml);
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(config, again)) << yaml;
    EXPECT_EQ(ToYaml(again), yaml);
  }
}

TEST(ConfigTextTest, SecretsAreNotWritten) {
  v1::Config config = Load(
      "edge: {endpoints: [{anonymous: true}]}\n"
      "auth: {hs256_secret: the-canary-0123456789abcdef-0123456789}\n"
      "control: {keys: [{name: k, secret: the-canary-0123456789abcdef}]}\n"
      "apps: [{name: shop, auth: {hs256_secret: the-canary-0123456789abcdef-0123456789}}]\n");

  std::string yaml = ToYaml(config);

  EXPECT_THAT(yaml, Not(HasSubstr("canary")));
  EXPECT_THAT(yaml, HasSubstr("hs256_secret: \"***\""));
  EXPECT_THAT(yaml, HasSubstr("name: \"k\""));
}

}  // namespace
}  // namespace carillon::server
