#include "gateway/server/reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/server/config_values.h"

namespace carillon::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::Config Defaults() {
  v1::Config config;
  SetDefaults(config);
  v1::Endpoint& endpoint = *config.mutable_edge()->add_endpoints();
  SetDefaults(endpoint);
  endpoint.set_anonymous(true);  // or there would have to be keys for tokens
  return config;
}

std::vector<std::string> Shown(const std::vector<control::Operations::SettingChange>& changes) {
  std::vector<std::string> lines;
  for (const control::Operations::SettingChange& change : changes)
    lines.push_back(change.path + ": " + change.from + " > " + change.to);
  return lines;
}

TEST(ReloadTest, NothingHasChanged) {
  auto reloaded = Reload(Defaults(), Defaults(), Defaults());
  ASSERT_TRUE(reloaded.ok());
  EXPECT_THAT(reloaded->changes.now, IsEmpty());
  EXPECT_THAT(reloaded->changes.after_restart, IsEmpty());
}

TEST(ReloadTest, WhatReloadsIsTakenOverAndTheRestWaits) {
  v1::Config started = Defaults();
  started.mutable_auth()->set_issuer("old");
  v1::Config loaded = Defaults();
  loaded.mutable_auth()->set_issuer("new");
  loaded.mutable_auth()->mutable_leeway()->set_seconds(5);
  loaded.mutable_auth()->set_hs256_secret("do not show me, whatever happens");
  loaded.mutable_edge()->add_allowed_origins("https://a.example");
  loaded.mutable_edge()->add_allowed_origins("https://b.example");
  loaded.mutable_log()->set_level(v1::LOG_LEVEL_WARN);
  loaded.mutable_hub()->set_shards(3);
  loaded.mutable_control()->add_keys()->set_name("a");
  loaded.mutable_control()->mutable_keys(0)->set_secret("nor me, a secret");
  loaded.add_streams()->set_pattern("a-*");

  auto reloaded = Reload(started, started, loaded);

  ASSERT_TRUE(reloaded.ok()) << MessageOf(reloaded.status());
  EXPECT_THAT(Shown(reloaded->changes.now),
              ElementsAre(R"(edge.allowed_origins: [] > ["https://a.example", "https://b.example"])",
                          "control.keys:  > ", "auth.hs256_secret:  > ", R"(auth.issuer: "old" > "new")",
                          "auth.leeway: 30000ms > 5000ms", "log.level: info > warn", "streams[a-*]:  > new"));
  EXPECT_THAT(Shown(reloaded->changes.after_restart), ElementsAre("hub.shards: 0 > 3"));
  EXPECT_EQ(reloaded->config.auth().issuer(), "new");
  EXPECT_EQ(reloaded->config.hub().shards(), 0u);
  EXPECT_EQ(reloaded->config.streams_size(), 1);
}

TEST(ReloadTest, WhatIsUnsetAgainIsUnset) {
  v1::Config started = Defaults();
  v1::Config with = Defaults();
  with.mutable_auth()->set_issuer("x");
  with.mutable_edge()->add_allowed_origins("https://a.example");

  auto reloaded = Reload(started, with, Defaults());

  ASSERT_TRUE(reloaded.ok());
  EXPECT_THAT(Shown(reloaded->changes.now),
              ElementsAre(R"(edge.allowed_origins: ["https://a.example"] > [])", R"(auth.issuer: "x" > "")"));
  EXPECT_EQ(reloaded->config.auth().issuer(), "");
  EXPECT_EQ(reloaded->config.edge().allowed_origins_size(), 0);
}

// The port stays open to others until the restart: without its keys everyone could call.
TEST(ReloadTest, WhatDoesNotFitTheSettingsThatStayIsRefused) {
  v1::Config started = Defaults();
  started.mutable_control()->set_listen("0.0.0.0:7311");
  v1::ControlKey& key = *started.mutable_control()->add_keys();
  key.set_name("a");
  key.set_secret("a key that is long enough for the rules");
  v1::Config loaded = Defaults();

  auto reloaded = Reload(started, started, loaded);

  ASSERT_FALSE(reloaded.ok());
  EXPECT_THAT(MessageOf(reloaded.status()), HasSubstr("control"));
}

TEST(ReloadTest, OfAppsAndRulesItSaysWhichAndWhat) {
  v1::Config before = Defaults();
  for (const char* name : {"shop", "blog"}) before.add_apps()->set_name(name);
  before.add_streams()->set_pattern("a-*");
  v1::Config after = before;
  after.mutable_apps(0)->mutable_auth()->set_hs256_secret("do not show me, whatever happens");
  after.mutable_apps(0)->set_key("pk");
  after.mutable_apps(1)->set_name("wiki");
  after.mutable_streams(0)->set_description("x");

  auto reloaded = Reload(before, before, after);

  ASSERT_TRUE(reloaded.ok()) << MessageOf(reloaded.status());
  EXPECT_THAT(Shown(reloaded->changes.now),
              ElementsAre(R"(streams[a-*].description: "" > "x")", "apps[blog]: there > gone",
                          R"(apps[shop].key: "" > "pk")", "apps[shop].auth:  > ", "apps[wiki]:  > new"));

  v1::Config turned = before;
  turned.mutable_apps()->SwapElements(0, 1);
  EXPECT_THAT(Shown(Reload(before, before, turned)->changes.now), ElementsAre("apps:  > another order"));
}

}  // namespace
}  // namespace carillon::server
