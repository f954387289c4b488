#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gateway/server/config_loader.h"
#include "gateway/server/config_values.h"

namespace carillon::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kLeast[] = "edge:\n  endpoints:\n    - anonymous: true\n";
constexpr char kSecret[] = "0123456789abcdef0123456789abcdef";

class ConfigSourcesTest : public ::testing::Test {
 protected:
  ConfigSourcesTest() {
    sources_.file_name = "c.yaml";
    sources_.file_text = kLeast;
  }

  void SetEnvironment(const std::string& name, const std::string& value) {
    sources_.environment["CARILLON_" + name] = value;
  }

  v1::Config Good() {
    auto loaded = LoadConfig(sources_);
    EXPECT_TRUE(loaded.ok()) << MessageOf(loaded.status());
    if (!loaded.ok()) return {};
    warnings_ = loaded->warnings;
    return loaded->config;
  }

  std::string Problem() {
    auto loaded = LoadConfig(sources_);
    EXPECT_FALSE(loaded.ok());
    return MessageOf(loaded.status());
  }

  ConfigSources sources_;
  std::vector<std::string> warnings_;
};

TEST_F(ConfigSourcesTest, FlagOverEnvironmentOverFileOverDefault) {
  EXPECT_EQ(Good().hub().mailbox_messages(), 4096u);
  sources_.file_text += "hub:\n  mailbox_messages: 100\n";
  EXPECT_EQ(Good().hub().mailbox_messages(), 100u);
  SetEnvironment("HUB_MAILBOX_MESSAGES", "200");
  EXPECT_EQ(Good().hub().mailbox_messages(), 200u);
  sources_.flags["hub.mailbox_messages"] = "300";
  EXPECT_EQ(Good().hub().mailbox_messages(), 300u);
}

TEST_F(ConfigSourcesTest, NoFileIsNeeded) {
  sources_ = {};
  SetEnvironment("AUTH_HS256_SECRET", kSecret);

  EXPECT_EQ(Good().auth().hs256_secret(), kSecret);
}

TEST_F(ConfigSourcesTest, AnEmptyVariableIsNotSet) {
  SetEnvironment("HUB_SHARDS", "");

  EXPECT_EQ(Good().hub().shards(), 0u);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(ConfigSourcesTest, ProblemsNameTheVariableOrTheFlag) {
  SetEnvironment("HUB_SHARDS", "many");
  sources_.flags["log.level"] = "loud";

  std::string problem = Problem();

  EXPECT_THAT(problem, HasSubstr("CARILLON_HUB_SHARDS: \"many\" is not a whole number"));
  EXPECT_THAT(problem, HasSubstr("--log.level: \"loud\" is none of"));
}

TEST_F(ConfigSourcesTest, RulesNameThePlaceThatDecided) {
  sources_.file_text += "control:\n  listen: 127.0.0.1:7311\n";
  SetEnvironment("CONTROL_LISTEN", "0.0.0.0:7311");

  EXPECT_THAT(Problem(), HasSubstr("CARILLON_CONTROL_LISTEN: control.listen: is open to others"));
}

TEST_F(ConfigSourcesTest, UnknownFlagsAreProblemsUnknownVariablesAreWarnings) {
  SetEnvironment("EDGE_LISTN", "x");
  EXPECT_EQ(Good().edge().listen(), "127.0.0.1:7310");
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("CARILLON_EDGE_LISTN")));

  sources_.flags["edge.listn"] = "x";
  EXPECT_THAT(Problem(), HasSubstr("--edge.listn: unknown setting"));
}

TEST_F(ConfigSourcesTest, WhatKubernetesSetsByItselfIsIgnored) {
  SetEnvironment("PORT", "tcp://10.0.0.1:7310");
  SetEnvironment("PORT_7310_TCP_ADDR", "10.0.0.1");
  SetEnvironment("SERVICE_HOST", "10.0.0.1");

  Good();

  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(ConfigSourcesTest, ListsOfWordsAreWrittenWithCommas) {
  SetEnvironment("EDGE_ALLOWED_ORIGINS", "https://a.example.com,https://b.example.com:8443");
  EXPECT_THAT(Good().edge().allowed_origins(), ElementsAre("https://a.example.com", "https://b.example.com:8443"));

  SetEnvironment("EDGE_ALLOWED_ORIGINS", R"(["https://a.example.com", 'https://c.example.com'])");
  EXPECT_THAT(Good().edge().allowed_origins(), ElementsAre("https://a.example.com", "https://c.example.com"));
}

TEST_F(ConfigSourcesTest, AListOfOriginsMayHoldWildCards) {
  SetEnvironment("EDGE_ALLOWED_ORIGINS", "https://a.example.com,*.example.org");
  EXPECT_THAT(Good().edge().allowed_origins(), ElementsAre("https://a.example.com", "*.example.org"));

  SetEnvironment("EDGE_ALLOWED_ORIGINS", "*");
  EXPECT_THAT(Good().edge().allowed_origins(), ElementsAre("*"));
}

TEST_F(ConfigSourcesTest, AListReplacesTheFilesList) {
  sources_.file_text += "  allowed_origins: [https://file.example.com]\n";
  SetEnvironment("EDGE_ALLOWED_ORIGINS", "https://env.example.com");

  EXPECT_THAT(Good().edge().allowed_origins(), ElementsAre("https://env.example.com"));
}

TEST_F(ConfigSourcesTest, ListsOfGroupsAreJson) {
  SetEnvironment("EDGE_ENDPOINTS", R"([{"path": "/a", "anonymous": true}, {"path": "/b", "ping_interval": "5s"}])");
  SetEnvironment("CONTROL_KEYS", R"([{name: backend, secret: sixteen-bytes-or-more}])");

  v1::Config config = Good();

  ASSERT_EQ(config.edge().endpoints_size(), 2);
  EXPECT_EQ(config.edge().endpoints(1).path(), "/b");
  EXPECT_EQ(config.edge().endpoints(0).outbox_messages(), 256u);
  EXPECT_EQ(config.control().keys(0).name(), "backend");
}

TEST_F(ConfigSourcesTest, ProblemsInAListNameTheVariableAndThePlace) {
  SetEnvironment("EDGE_ENDPOINTS", R"([{"path": "/a", "anonymous": true, "pin_interval": "5s"}])");
  EXPECT_THAT(Problem(), HasSubstr("CARILLON_EDGE_ENDPOINTS:1:36: edge.endpoints[0].pin_interval: unknown setting"));

  SetEnvironment("EDGE_ENDPOINTS", "[{");
  EXPECT_THAT(Problem(), HasSubstr("CARILLON_EDGE_ENDPOINTS:"));
  SetEnvironment("EDGE_ENDPOINTS", "nonsense");
  EXPECT_THAT(Problem(), HasSubstr("edge.endpoints: must be a list"));
}

TEST_F(ConfigSourcesTest, SecretsInVariablesAreNeverPrinted) {
  for (const char* value : {R"([{name: a, secret: hunter2, nam: b}])", R"([{name: a, secret: [hunter2]}])",
                            R"([{secret: hunter2}])", "[{name: a, secret: hunter2", "hunter2", "{secret: hunter2}"}) {
    sources_.environment.clear();
    SetEnvironment("CONTROL_KEYS", value);
    EXPECT_THAT(Problem(), Not(HasSubstr("hunter2"))) << value;
  }
  sources_.environment.clear();
  SetEnvironment("AUTH_HS256_SECRET", "hunter2");
  EXPECT_THAT(Problem(), Not(HasSubstr("hunter2")));
  SetEnvironment("AUTH_HS256_SECRTE", "hunter2");
  EXPECT_THAT(Problem(), Not(HasSubstr("hunter2")));
}

class SecretFileTest : public ConfigSourcesTest {
 protected:
  SecretFileTest() {
    path_ = std::filesystem::temp_directory_path() / ("carillon_secret_test_" + std::to_string(::getpid()));
  }
  ~SecretFileTest() override { std::filesystem::remove(path_); }

  void Write(const std::string& text) { std::ofstream(path_) << text; }

  std::filesystem::path path_;
};

TEST_F(SecretFileTest, ASecretMayStandInAFileOfItsOwn) {
  Write(std::string(kSecret) + "\r\n\n");
  SetEnvironment("AUTH_HS256_SECRET_FILE", path_.string());

  EXPECT_EQ(Good().auth().hs256_secret(), kSecret);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(SecretFileTest, AFileThatIsMissingOrEmptyIsAProblem) {
  SetEnvironment("AUTH_HS256_SECRET_FILE", path_.string());
  EXPECT_THAT(Problem(), HasSubstr("CARILLON_AUTH_HS256_SECRET_FILE: cannot read"));

  Write("\n");
  EXPECT_THAT(Problem(), HasSubstr("or it is empty"));
}

TEST_F(SecretFileTest, AFileWithoutAnEndIsAProblem) {
  SetEnvironment("AUTH_HS256_SECRET_FILE", "/dev/zero");

  EXPECT_THAT(Problem(), HasSubstr("CARILLON_AUTH_HS256_SECRET_FILE: cannot read /dev/zero"));
}

TEST_F(SecretFileTest, ASecretHereAndInAFileIsOneTooMany) {
  Write(kSecret);
  SetEnvironment("AUTH_HS256_SECRET_FILE", path_.string());
  SetEnvironment("AUTH_HS256_SECRET", kSecret);

  EXPECT_THAT(Problem(), HasSubstr("CARILLON_AUTH_HS256_SECRET and CARILLON_AUTH_HS256_SECRET_FILE are both set"));
}

TEST_F(ConfigSourcesTest, VariablesOfTheClientsAreNotOurs) {
  SetEnvironment("TOKEN", "x");
  SetEnvironment("ADDRESS", "127.0.0.1:7311");

  Good();
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(ConfigSourcesTest, AnEndpointMustBeOn) {
  sources_.file_text = "edge:\n  endpoints:\n    - {anonymous: true, enabled: false}\n";

  EXPECT_THAT(Problem(), HasSubstr("edge.endpoints: nobody can connect: none of them is enabled"));
}

TEST_F(ConfigSourcesTest, OnlyOneDocumentIsRead) {
  sources_.file_text += "---\nhub: {shards: 2}\n";

  EXPECT_THAT(Problem(), HasSubstr("c.yaml:4:1: a second document"));

  sources_.file_text = "%YAML 1.2\n# ours\n---\n" + std::string(kLeast) + "...\n";
  EXPECT_EQ(Good().edge().endpoints_size(), 1);
}

TEST_F(SecretFileTest, AShortSecretIsAProblemOfItsVariable) {
  Write("hunter2");
  SetEnvironment("AUTH_HS256_SECRET_FILE", path_.string());

  EXPECT_THAT(Problem(), HasSubstr("CARILLON_AUTH_HS256_SECRET_FILE: auth.hs256_secret: at least 32 bytes"));
  EXPECT_THAT(Problem(), Not(HasSubstr("hunter2")));
}

TEST_F(SecretFileTest, OrdinarySettingsAreNotReadFromFiles) {
  Write("debug");
  SetEnvironment("LOG_LEVEL_FILE", path_.string());

  EXPECT_EQ(Good().log().level(), v1::LOG_LEVEL_INFO);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("CARILLON_LOG_LEVEL_FILE")));
}

TEST_F(SecretFileTest, GatheringReadsTheFileAndTheProcessesOwnEnvironment) {
  Write(kLeast);
  ::setenv("CARILLON_HUB_SHARDS", "2", 1);
  ::setenv("NOT_CARILLON_HUB_SHARDS", "3", 1);

  auto sources = GatherSources(path_.string(), {{"log.level", "warn"}});

  ::unsetenv("CARILLON_HUB_SHARDS");
  ASSERT_TRUE(sources.ok());
  EXPECT_EQ(sources->file_text, kLeast);
  EXPECT_EQ(sources->environment.at("CARILLON_HUB_SHARDS"), "2");
  EXPECT_FALSE(sources->environment.contains("NOT_CARILLON_HUB_SHARDS"));
  EXPECT_EQ(sources->flags.at("log.level"), "warn");
}

TEST_F(SecretFileTest, AFileThatCannotBeReadIsNamed) {
  auto sources = GatherSources("/nowhere/carillon.yaml", {});

  EXPECT_THAT(MessageOf(sources.status()), HasSubstr("cannot read /nowhere/carillon.yaml: "));
}

TEST_F(SecretFileTest, ADirectoryIsNoConfiguration) {
  std::string directory = std::filesystem::temp_directory_path().string();
  EXPECT_NO_THROW(EXPECT_FALSE(GatherSources(directory, {}).ok()));
}

TEST_F(SecretFileTest, ADirectoryIsNoSecret) {
  SetEnvironment("AUTH_HS256_SECRET_FILE", std::filesystem::temp_directory_path().string());

  EXPECT_NO_THROW(EXPECT_THAT(Problem(), HasSubstr("CARILLON_AUTH_HS256_SECRET_FILE: cannot read")));
}

}  // namespace
}  // namespace carillon::server
