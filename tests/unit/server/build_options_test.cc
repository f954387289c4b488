#include "gateway/server/build_options.h"

#include <gtest/gtest.h>

#include <set>

#include "gateway/server/config_values.h"

namespace carillon::server {
namespace {

using std::chrono::milliseconds;

v1::Config Defaults() {
  v1::Config config;
  SetDefaults(config);
  return config;
}

v1::Endpoint& AddEndpoint(v1::Config& config) {
  v1::Endpoint& endpoint = *config.mutable_edge()->add_endpoints();
  SetDefaults(endpoint);
  return endpoint;
}

// All of an endpoint's options as one text, to see which changed.
std::string Describe(const edge::EndpointRules& rules) {
  const hub::SessionSettings& s = rules.session;
  return fmt::format("{} {} {} {} {} {} | {} {} {} {} {} {} {} {} {} {} {} {}", rules.path, rules.app, rules.anonymous,
                     rules.close_on_refusal, rules.require_subprotocol, rules.send_buffer_bytes,
                     s.dialect == &dialect::EchoBack(), s.ping_interval.count(), s.peer_timeout.count(),
                     s.auth_timeout.count(), s.write_deadline.count(), s.outbox_patience.count(), s.max_message_bytes,
                     s.outbox_bytes, s.outbox_messages, s.max_subscriptions, s.messages_per_second,
                     s.idle_timeout.count());
}

TEST(BuildOptionsTest, EveryEndpointSettingReachesTheEdge) {
  const std::pair<std::string, std::string> kSettings[] = {
      {"path", "/other"},
      {"dialect", "echo"},
      {"anonymous", "true"},
      {"auth_timeout", "7s"},
      {"reject_mode", "close"},
      {"require_subprotocol", "true"},
      {"ping_interval", "11s"},
      {"peer_timeout", "13s"},
      {"max_message_bytes", "1234"},
      {"max_subscriptions", "17"},
      {"outbox_bytes", "5678"},
      {"outbox_messages", "19"},
      {"outbox_patience", "23ms"},
      {"write_deadline", "2900ms"},
      {"send_buffer_bytes", "3100"},
      {"messages_per_second", "29"},
      {"app", "shop"},
      {"idle_timeout", "31s"},
  };
  v1::Config plain = Defaults();
  AddEndpoint(plain);
  std::string before = Describe(EdgeOptionsOf(plain, 1, 100).endpoints.at(0));
  std::set<std::string> covered = {"enabled"};
  for (const auto& [name, text] : kSettings) {
    v1::Config config = Defaults();
    v1::Endpoint& endpoint = AddEndpoint(config);
    ASSERT_TRUE(SetScalar(endpoint, *v1::Endpoint::descriptor()->FindFieldByName(name), text).ok()) << name;

    std::string after = Describe(EdgeOptionsOf(config, 1, 100).endpoints.at(0));

    EXPECT_NE(after, before) << name;
    covered.insert(name);
  }
  for (int i = 0; i < v1::Endpoint::descriptor()->field_count(); ++i) {
    EXPECT_TRUE(covered.contains(v1::Endpoint::descriptor()->field(i)->name())) << "a new setting has no line here";
  }
}

TEST(BuildOptionsTest, EndpointValuesKeepTheirUnits) {
  v1::Config config = Defaults();
  v1::Endpoint& endpoint = AddEndpoint(config);
  endpoint.mutable_write_deadline()->set_seconds(2);
  endpoint.mutable_write_deadline()->set_nanos(900'000'000);

  edge::EndpointRules rules = EdgeOptionsOf(config, 1, 100).endpoints.at(0);

  EXPECT_EQ(rules.session.write_deadline, milliseconds(2900));
  EXPECT_EQ(rules.session.ping_interval, milliseconds(54'000));
  EXPECT_EQ(rules.session.outbox_bytes, size_t{1} << 20);
  EXPECT_EQ(rules.send_buffer_bytes, 65536u);
  EXPECT_EQ(rules.session.dialect, &dialect::Native());
}

TEST(BuildOptionsTest, WithoutEndpointsThereIsTheDefaultOne) {
  edge::EdgeOptions options = EdgeOptionsOf(Defaults(), 1, 100);

  ASSERT_EQ(options.endpoints.size(), 1u);
  EXPECT_EQ(options.endpoints[0].path, "/ws");
  EXPECT_FALSE(options.endpoints[0].anonymous);
}

TEST(BuildOptionsTest, EndpointsThatAreOffAreNotThere) {
  v1::Config config = Defaults();
  AddEndpoint(config).set_path("/on");
  AddEndpoint(config).set_path("/off");
  config.mutable_edge()->mutable_endpoints(1)->set_enabled(false);
  edge::EdgeOptions options = EdgeOptionsOf(config, 1, 100);
  ASSERT_EQ(options.endpoints.size(), 1u);
  EXPECT_EQ(options.endpoints[0].path, "/on");

  config.mutable_edge()->mutable_endpoints(0)->set_enabled(false);
  EXPECT_TRUE(EdgeOptionsOf(config, 1, 100).endpoints.empty());
}

TEST(BuildOptionsTest, TheEdgesOwnSettings) {
  v1::Config config = Defaults();
  config.mutable_edge()->set_listen("0.0.0.0:80");
  config.mutable_edge()->mutable_request_timeout()->set_seconds(3);
  config.mutable_edge()->mutable_accept_timeout()->set_seconds(4);
  config.mutable_edge()->set_demo_page(true);

  edge::EdgeOptions options = EdgeOptionsOf(config, 77, 100);

  EXPECT_EQ(options.listen, "0.0.0.0:80");
  EXPECT_EQ(options.max_connections, 77u);
  EXPECT_EQ(options.max_sockets, 100u);
  EXPECT_EQ(options.timeouts.request, milliseconds(3000));
  EXPECT_EQ(options.timeouts.accept, milliseconds(4000));
  EXPECT_TRUE(options.demo_page);
}

TEST(BuildOptionsTest, TheNodesOptions) {
  v1::Config config = Defaults();
  config.mutable_hub()->set_shards(5);
  config.mutable_hub()->set_mailbox_messages(1000);
  config.mutable_hub()->set_mailbox_bytes(1 << 22);

  hub::NodeOptions options = NodeOptionsOf(config);

  EXPECT_EQ(options.shards, 5);
  EXPECT_EQ(options.mailbox_messages, 1000u);
  EXPECT_EQ(options.mailbox_bytes, size_t{1} << 22);
  config.mutable_hub()->set_shards(0);
  EXPECT_GE(NodeOptionsOf(config).shards, 1);
  EXPECT_LE(NodeOptionsOf(config).shards, kMaxShards);
}

TEST(BuildOptionsTest, TheControlPlanesOptionsAndKeys) {
  v1::Config config = Defaults();
  config.mutable_control()->set_listen("unix:/run/x");
  config.mutable_control()->set_reflection(false);
  config.mutable_limits()->set_max_publish_bytes(4096);
  v1::ControlKey& all = *config.mutable_control()->add_keys();
  all.set_name("all");
  all.set_secret("the key of all verbs");
  for (int verb : {v1::CONTROL_VERB_PUBLISH, v1::CONTROL_VERB_READ, v1::CONTROL_VERB_ADMIN}) {
    v1::ControlKey& key = *config.mutable_control()->add_keys();
    key.set_name("only");
    key.set_secret("the key of verb " + std::to_string(verb));
    key.add_verbs(static_cast<v1::ControlVerb>(verb));
  }

  control::ControlOptions options = ControlOptionsOf(config);

  EXPECT_EQ(options.listen, "unix:/run/x");
  EXPECT_FALSE(options.reflection);
  EXPECT_EQ(options.max_publish_bytes, 4096u);
  using auth::Verb;
  const std::pair<int, Verb> kVerbs[] = {{v1::CONTROL_VERB_PUBLISH, Verb::kPublish},
                                         {v1::CONTROL_VERB_READ, Verb::kRead},
                                         {v1::CONTROL_VERB_ADMIN, Verb::kAdmin}};
  for (auto [granted, verb] : kVerbs) {
    EXPECT_TRUE(options.keys.Find("the key of all verbs")->May(verb));
    for (auto [other, asked] : kVerbs) {
      EXPECT_EQ(options.keys.Find("the key of verb " + std::to_string(granted))->May(asked), granted == other);
    }
  }
}

TEST(BuildOptionsTest, LogsAreTextOnATerminalUnlessToldOtherwise) {
  v1::Config config = Defaults();
  EXPECT_EQ(LogFormatOf(config, true), log::Format::kText);
  EXPECT_EQ(LogFormatOf(config, false), log::Format::kJson);
  config.mutable_log()->set_format(v1::LOG_FORMAT_JSON);
  EXPECT_EQ(LogFormatOf(config, true), log::Format::kJson);
  config.mutable_log()->set_format(v1::LOG_FORMAT_TEXT);
  EXPECT_EQ(LogFormatOf(config, false), log::Format::kText);
}

TEST(BuildOptionsTest, LogLevelsKeepTheirNames) {
  const std::pair<v1::LogLevel, log::Level> kLevels[] = {{v1::LOG_LEVEL_UNSPECIFIED, log::Level::kInfo},
                                                         {v1::LOG_LEVEL_DEBUG, log::Level::kDebug},
                                                         {v1::LOG_LEVEL_INFO, log::Level::kInfo},
                                                         {v1::LOG_LEVEL_WARN, log::Level::kWarn},
                                                         {v1::LOG_LEVEL_ERROR, log::Level::kError}};
  for (auto [level, expected] : kLevels) {
    v1::Config config;
    config.mutable_log()->set_level(level);
    EXPECT_EQ(LogLevelOf(config), expected);
  }
}

}  // namespace
}  // namespace carillon::server
