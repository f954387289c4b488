#include "gateway/server/config_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>

namespace carillon::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using ::testing::HasSubstr;

struct DurationCase {
  std::string text;
  int64_t ms;  // -1: refused
};

TEST(ConfigValuesTest, DurationsHaveAUnit) {
  const DurationCase kCases[] = {
      {"0", 0},
      {"0s", 0},
      {"1ms", 1},
      {"500ms", 500},
      {"54s", 54'000},
      {"2m", 120'000},
      {"1h", 3'600'000},
      {"007s", 7000},
      {"", -1},
      {"5", -1},
      {"s", -1},
      {"-1s", -1},
      {"+1s", -1},
      {"1.5s", -1},
      {"1 s", -1},
      {" 1s", -1},
      {"1s ", -1},
      {"1S", -1},
      {"1sec", -1},
      {"1d", -1},
      {"1h30m", -1},
      {"0x1s", -1},
      {"99999999999999999999s", -1},
      {"18446744073709551615h", -1},
      {"9223372036855h", -1},
  };
  for (const DurationCase& c : kCases) {
    auto duration = ParseDuration(c.text);

    EXPECT_EQ(duration.has_value() ? duration->count() : -1, c.ms) << c.text;
  }
}

TEST(ConfigValuesTest, ADurationThatIsTakenFitsAClock) {
  auto longest = ParseDuration("2562047h");
  ASSERT_TRUE(longest.has_value());

  EXPECT_GT(std::chrono::nanoseconds(*longest).count(), 0);
  EXPECT_FALSE(ParseDuration("2562048h").has_value());
}

struct SizeCase {
  std::string text;
  int64_t bytes;  // -1: refused
};

TEST(ConfigValuesTest, SizesAreBytesOrHaveAUnit) {
  const SizeCase kCases[] = {
      {"0", 0},          {"512", 512},        {"512B", 512}, {"64KiB", 65536},
      {"1MiB", 1 << 20}, {"4GiB", 4LL << 30}, {"", -1},      {"-1", -1},
      {"64K", -1},       {"64kB", -1},        {"64kib", -1}, {"1.5MiB", -1},
      {"64 KiB", -1},    {"KiB", -1},         {"1TiB", -1},  {"18446744073709551615GiB", -1},
  };
  for (const SizeCase& c : kCases) {
    auto size = ParseSize(c.text);

    EXPECT_EQ(size.has_value() ? static_cast<int64_t>(*size) : -1, c.bytes) << c.text;
  }
}

// Sets `edge.endpoints[].FIELD` and returns what was wrong.
std::string SetEndpoint(v1::Endpoint& endpoint, const std::string& name, const std::string& text) {
  return MessageOf(SetScalar(endpoint, *v1::Endpoint::descriptor()->FindFieldByName(name), text));
}

TEST(ConfigValuesTest, ScalarsAreSetByTheirType) {
  v1::Endpoint endpoint;

  EXPECT_EQ(SetEndpoint(endpoint, "path", "/x"), "");
  EXPECT_EQ(SetEndpoint(endpoint, "dialect", "echo"), "");
  EXPECT_EQ(SetEndpoint(endpoint, "anonymous", "true"), "");
  EXPECT_EQ(SetEndpoint(endpoint, "ping_interval", "1500ms"), "");
  EXPECT_EQ(SetEndpoint(endpoint, "max_message_bytes", "1MiB"), "");
  EXPECT_EQ(SetEndpoint(endpoint, "max_subscriptions", "42"), "");

  EXPECT_EQ(endpoint.path(), "/x");
  EXPECT_EQ(endpoint.dialect(), v1::DIALECT_KIND_ECHO);
  EXPECT_TRUE(endpoint.anonymous());
  EXPECT_EQ(ToMilliseconds(endpoint.ping_interval()), std::chrono::milliseconds(1500));
  EXPECT_EQ(endpoint.max_message_bytes(), 1u << 20);
  EXPECT_EQ(endpoint.max_subscriptions(), 42u);
}

TEST(ConfigValuesTest, ErrorsSayWhatWouldHaveBeenRight) {
  v1::Endpoint endpoint;
  EXPECT_THAT(SetEndpoint(endpoint, "dialect", "Native"), HasSubstr("\"Native\" is none of native, echo"));
  EXPECT_THAT(SetEndpoint(endpoint, "dialect", "unspecified"), HasSubstr("none of"));
  EXPECT_THAT(SetEndpoint(endpoint, "dialect", "1"), HasSubstr("none of"));
  EXPECT_THAT(SetEndpoint(endpoint, "anonymous", "yes"), HasSubstr("neither true nor false"));
  EXPECT_THAT(SetEndpoint(endpoint, "anonymous", "True"), HasSubstr("neither true nor false"));
  EXPECT_THAT(SetEndpoint(endpoint, "ping_interval", "54"), HasSubstr("is not a duration such as"));
  EXPECT_THAT(SetEndpoint(endpoint, "max_message_bytes", "big"), HasSubstr("is not a size such as"));
  EXPECT_THAT(SetEndpoint(endpoint, "max_subscriptions", "1e3"), HasSubstr("is not a whole number"));
  EXPECT_THAT(SetEndpoint(endpoint, "max_subscriptions", "-1"), HasSubstr("is not a whole number"));
}

TEST(ConfigValuesTest, BoundsAreInclusive) {
  v1::Endpoint endpoint;
  EXPECT_EQ(SetEndpoint(endpoint, "write_deadline", "100ms"), "");
  EXPECT_EQ(SetEndpoint(endpoint, "write_deadline", "99ms"), "99ms is too small: at least 100ms");
  EXPECT_EQ(SetEndpoint(endpoint, "write_deadline", "5m"), "");
  EXPECT_EQ(SetEndpoint(endpoint, "write_deadline", "300001ms"), "300001ms is too large: at most 5m");
  EXPECT_EQ(SetEndpoint(endpoint, "outbox_bytes", "4KiB"), "");
  EXPECT_EQ(SetEndpoint(endpoint, "outbox_bytes", "4095"), "4095 is too small: at least 4KiB");
}

TEST(ConfigValuesTest, NumbersBeyondTheirFieldAreRefused) {
  v1::EdgeConfig edge;
  const FieldDescriptor& field = *v1::EdgeConfig::descriptor()->FindFieldByName("max_connections");

  EXPECT_TRUE(SetScalar(edge, field, "4294967295").ok());
  EXPECT_FALSE(SetScalar(edge, field, "4294967296").ok());
  EXPECT_FALSE(SetScalar(edge, field, "99999999999999999999").ok());
  EXPECT_EQ(edge.max_connections(), 4294967295u);
}

TEST(ConfigValuesTest, EnumsAreWrittenShort) {
  std::vector<std::string> texts;
  for (const auto* type : {v1::DialectKind_descriptor(), v1::LogLevel_descriptor(), v1::ControlVerb_descriptor()}) {
    for (int i = 1; i < type->value_count(); ++i) texts.push_back(EnumText(*type->value(i)));
  }

  EXPECT_THAT(texts,
              ::testing::ElementsAre("native", "echo", "debug", "info", "warn", "error", "publish", "read", "admin"));
}

// Every scalar field of every message of the schema.
void ForEachField(const Descriptor& type, const std::function<void(const FieldDescriptor&)>& visit) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (IsScalar(field)) {
      visit(field);
    } else {
      ForEachField(*field.message_type(), visit);
    }
  }
}

TEST(ConfigSchemaTest, EveryDefaultAndBoundCanBeSet) {
  int set = 0;
  ForEachField(*v1::Config::descriptor(), [&](const FieldDescriptor& field) {
    const v1::Setting& setting = SettingOf(field);
    for (const std::string& text : {setting.default_(), setting.min(), setting.max()}) {
      if (text.empty()) continue;
      ++set;
      const auto* prototype =
          google::protobuf::MessageFactory::generated_factory()->GetPrototype(field.containing_type());
      std::unique_ptr<google::protobuf::Message> message(prototype->New());
      Status status = SetScalar(*message, field, text);
      EXPECT_TRUE(status.ok()) << field.full_name() << ": " << MessageOf(status);
    }
  });
  EXPECT_GT(set, 30);
}

TEST(ConfigSchemaTest, DefaultsAreSetAllTheWayDown) {
  v1::Config config;
  SetDefaults(config);

  EXPECT_EQ(config.edge().listen(), "127.0.0.1:7310");
  EXPECT_EQ(config.control().listen(), "127.0.0.1:7311");
  EXPECT_EQ(config.admin().listen(), "127.0.0.1:7312");
  EXPECT_TRUE(config.control().reflection());
  EXPECT_EQ(ToMilliseconds(config.auth().leeway()), std::chrono::seconds(30));
  EXPECT_EQ(config.hub().mailbox_messages(), 4096u);
  EXPECT_EQ(config.hub().mailbox_bytes(), 16u << 20);
  EXPECT_EQ(config.limits().max_publish_bytes(), 512u << 10);
  EXPECT_EQ(config.log().level(), v1::LOG_LEVEL_INFO);
  EXPECT_EQ(config.edge().endpoints_size(), 0);
}

TEST(ConfigSchemaTest, TheEndpointsDefaultsAreThoseOfTheDesign) {
  v1::Endpoint endpoint;
  SetDefaults(endpoint);

  EXPECT_EQ(endpoint.path(), "/ws");
  EXPECT_EQ(endpoint.dialect(), v1::DIALECT_KIND_NATIVE);
  EXPECT_TRUE(endpoint.enabled());
  EXPECT_FALSE(endpoint.anonymous());
  EXPECT_EQ(ToMilliseconds(endpoint.ping_interval()), std::chrono::seconds(54));
  EXPECT_EQ(ToMilliseconds(endpoint.peer_timeout()), std::chrono::seconds(60));
  EXPECT_EQ(endpoint.max_message_bytes(), 64u << 10);
  EXPECT_EQ(endpoint.outbox_bytes(), 1u << 20);
  EXPECT_EQ(endpoint.outbox_messages(), 256u);
  EXPECT_EQ(ToMilliseconds(endpoint.outbox_patience()), std::chrono::seconds(1));
  EXPECT_EQ(ToMilliseconds(endpoint.write_deadline()), std::chrono::seconds(10));
  EXPECT_EQ(endpoint.send_buffer_bytes(), 64u << 10);
}

TEST(ConfigSchemaTest, NoTwoSettingsShareAVariableOrAFlag) {
  std::map<std::string, std::string> variables;
  std::set<std::string> flags;
  ForEachSetting([&](const std::string& path, const FieldDescriptor& field) {
    std::vector<std::string> names = {EnvironmentName(path)};
    if (SettingOf(field).secret()) names.push_back(EnvironmentName(path) + "_FILE");
    for (const std::string& name : names) {
      auto [it, added] = variables.emplace(name, path);
      EXPECT_TRUE(added) << name << " is " << path << " and " << it->second;
    }
    EXPECT_TRUE(flags.insert(FlagName(path)).second) << path;
  });

  EXPECT_EQ(variables.at("CARILLON_EDGE_MAX_CONNECTIONS"), "edge.max_connections");
  EXPECT_EQ(variables.at("CARILLON_AUTH_HS256_SECRET_FILE"), "auth.hs256_secret");
  EXPECT_TRUE(variables.contains("CARILLON_EDGE_ENDPOINTS"));
  EXPECT_TRUE(flags.contains("--edge.max-connections"));
}

TEST(ConfigSchemaTest, WhateverSoundsSecretIsMarkedSo) {
  ForEachField(*v1::Config::descriptor(), [](const FieldDescriptor& field) {
    for (const char* word : {"secret", "password", "token", "private_key"}) {
      bool sounds_secret = field.name().find(word) != std::string::npos;
      EXPECT_TRUE(!sounds_secret || SettingOf(field).secret()) << field.full_name();
    }
  });
}

TEST(NearestNameTest, FindsWhatWasProbablyMeant) {
  const std::vector<std::string> names = {"listen", "endpoints", "allowed_origins", "max_connections"};
  EXPECT_EQ(NearestName("listn", names), "listen");
  EXPECT_EQ(NearestName("lsiten", names), "listen");
  EXPECT_EQ(NearestName("endpoint", names), "endpoints");
  EXPECT_EQ(NearestName("allowed-origins", names), "allowed_origins");
  EXPECT_EQ(NearestName("max_connection", names), "max_connections");
  EXPECT_EQ(NearestName("colour", names), "");
  EXPECT_EQ(NearestName("", names), "");
  EXPECT_EQ(NearestName("x", {}), "");
}

}  // namespace
}  // namespace carillon::server
