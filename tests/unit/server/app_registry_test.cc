#include "gateway/server/app_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/server/config_values.h"
#include "tests/support/make_token.h"

namespace carillon::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A configuration with these apps.
LoadedConfig With(const std::vector<std::string>& names) {
  LoadedConfig loaded;
  SetDefaults(loaded.config);
  for (const std::string& name : names) {
    loaded.config.add_apps()->set_name(name);
    loaded.app_tokens.push_back(test::SecretRules());
    loaded.app_schemas.emplace_back();
  }
  return loaded;
}

TEST(AppRegistryTest, TheDefaultAppIsTheFirst) {
  AppRegistry registry;
  LoadedConfig loaded = With({"another"});
  loaded.config.mutable_edge()->add_allowed_origins("https://example.com");
  loaded.config.mutable_auth()->set_cookie("sid");
  loaded.config.mutable_limits()->set_connections_per_user(3);
  loaded.config.mutable_limits()->set_streams(4);

  auth::Apps apps = registry.Build(loaded);

  const auth::App& app = apps.Default();
  EXPECT_EQ(app.id, wire::kDefaultApp);
  EXPECT_EQ(app.name, "default");
  EXPECT_TRUE(app.origins.Allows("https://example.com", "gw"));
  EXPECT_EQ(app.cookie, "sid");
  EXPECT_EQ(app.connections, 0u);
  EXPECT_EQ(app.connections_per_user, 3u);
  EXPECT_EQ(app.max_streams, 4u);
}

TEST(AppRegistryTest, AnAppHasWhatItsConfigurationSays) {
  AppRegistry registry;
  LoadedConfig loaded = With({"shop", "blog"});
  v1::AppConfig& shop = *loaded.config.mutable_apps(0);
  shop.set_key("pk");
  shop.add_allowed_origins("https://shop.example.com");
  shop.mutable_auth()->set_cookie("shop_sid");
  shop.mutable_limits()->set_connections(7);
  shop.mutable_limits()->set_connections_per_user(8);
  shop.mutable_limits()->set_streams(9);

  auth::Apps apps = registry.Build(loaded);

  const auth::App& app = *apps.FindByName("shop");
  EXPECT_EQ(apps.FindByKey("pk"), &app);
  EXPECT_EQ(apps.FindByKey("blog")->name, "blog");  // the name where no key is said
  EXPECT_TRUE(app.origins.Allows("https://shop.example.com", "gw"));
  EXPECT_FALSE(apps.Default().origins.Allows("https://shop.example.com", "gw"));
  EXPECT_EQ(app.cookie, "shop_sid");
  EXPECT_EQ(app.connections, 7u);
  EXPECT_EQ(app.connections_per_user, 8u);
  EXPECT_EQ(app.max_streams, 9u);
}

TEST(AppRegistryTest, AnAppKeepsItsNumberAndWhomItKeepsOut) {
  AppRegistry registry;
  auth::Apps first = registry.Build(With({"shop", "blog"}));
  wire::AppId blog = first.FindByName("blog")->id;
  EXPECT_TRUE(first.FindByName("blog")->tokens->denials().BlockUser({"eve", auth::Denials::kForGood, "no"}).ok());

  auth::Apps second = registry.Build(With({"wiki", "shop"}));
  EXPECT_EQ(second.Find(blog), nullptr);
  EXPECT_THAT(registry.gone(), ElementsAre(blog));
  EXPECT_NE(second.FindByName("wiki")->id, blog);
  EXPECT_EQ(second.FindByName("shop")->id, first.FindByName("shop")->id);

  auth::Apps third = registry.Build(With({"blog", "wiki", "shop"}));
  EXPECT_THAT(registry.gone(), IsEmpty());
  EXPECT_EQ(third.FindByName("blog")->id, blog);
  EXPECT_TRUE(third.FindByName("blog")->tokens->denials().UnblockUser("eve"));
}

TEST(AppRegistryTest, AnAppThatIsGoneAcceptsNoTokens) {
  AppRegistry registry;
  auth::Apps first = registry.Build(With({"shop"}));
  std::shared_ptr<auth::Verifier> tokens = first.FindByName("shop")->tokens;
  std::string token = test::MakeToken(R"({"sub":"alice","exp":4102444800})");
  auto now = std::chrono::system_clock::now();
  ASSERT_TRUE(tokens->Verify(token, now).ok());

  registry.Build(With({}));

  EXPECT_FALSE(tokens->Verify(token, now).ok());
}

TEST(AppRegistryTest, AProcessKnowsSoManyApps) {
  AppRegistry registry;
  std::vector<std::string> names;
  for (int i = 0; i < wire::kMaxApps - 1; ++i) names.push_back("app-" + std::to_string(i));
  registry.Build(With(names));

  EXPECT_TRUE(registry.CheckRoom(With(names).config).ok());
  EXPECT_FALSE(registry.CheckRoom(With({"one-more"}).config).ok());
}

}  // namespace
}  // namespace carillon::server
