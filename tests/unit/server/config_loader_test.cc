#include "gateway/server/config_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/server/config_values.h"

namespace carillon::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// The least that a gateway needs: somebody who can connect.
constexpr char kLeast[] = "edge:\n  endpoints:\n    - anonymous: true\n";

StatusOr<LoadedConfig> Load(const std::string& text) {
  ConfigSources sources;
  sources.file_name = "c.yaml";
  sources.file_text = text;
  return LoadConfig(sources);
}

v1::Config Good(const std::string& text) {
  auto loaded = Load(text);
  EXPECT_TRUE(loaded.ok()) << MessageOf(loaded.status());
  return loaded.ok() ? loaded->config : v1::Config();
}

// The problems, one a line.
std::vector<std::string> Problems(const std::string& text) {
  auto loaded = Load(text);
  EXPECT_FALSE(loaded.ok()) << text;
  std::vector<std::string> lines;
  std::string all = MessageOf(loaded.status());
  for (size_t at = 0; at < all.size();) {
    size_t end = std::min(all.find('\n', at), all.size());
    lines.push_back(all.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

TEST(ConfigLoaderTest, AFileIsReadOverTheDefaults) {
  v1::Config config = Good(R"(
edge:
  listen: 127.0.0.1:0
  endpoints:
    - path: /ws
      anonymous: true
      ping_interval: 10s
    - path: /private
  allowed_origins: [https://app.example.com, "*.example.org"]
control:
  keys:
    - name: backend
      secret: sixteen bytes or more
      verbs: [publish, read]
auth:
  hs256_secret: 0123456789abcdef0123456789abcdef
hub: {shards: 3}
)");

  EXPECT_EQ(config.edge().listen(), "127.0.0.1:0");
  ASSERT_EQ(config.edge().endpoints_size(), 2);
  EXPECT_EQ(ToMilliseconds(config.edge().endpoints(0).ping_interval()), std::chrono::seconds(10));
  EXPECT_EQ(ToMilliseconds(config.edge().endpoints(0).peer_timeout()), std::chrono::seconds(60));
  EXPECT_EQ(config.edge().endpoints(1).outbox_messages(), 256u);
  EXPECT_THAT(config.edge().allowed_origins(), ElementsAre("https://app.example.com", "*.example.org"));
  EXPECT_THAT(config.control().keys(0).verbs(), ElementsAre(v1::CONTROL_VERB_PUBLISH, v1::CONTROL_VERB_READ));
  EXPECT_EQ(config.hub().shards(), 3u);
  EXPECT_EQ(config.admin().listen(), "127.0.0.1:7312");
}

TEST(ConfigLoaderTest, EmptyGroupsAndListsAreDefaults) {
  v1::Config config = Good(std::string(kLeast) + "  allowed_origins: []\nhub:\nlog: {}\ndrain: ~\n");

  EXPECT_EQ(config.hub().mailbox_messages(), 4096u);
  EXPECT_EQ(config.edge().allowed_origins_size(), 0);
}

TEST(ConfigLoaderTest, AnEmptyFileSaysWhatIsNeeded) {
  for (const char* text : {"", "\n", "# nothing yet\n", "---\n", "{}", "edge:\n"}) {
    EXPECT_THAT(Problems(text), ElementsAre(HasSubstr("auth.hs256_secret: nobody can connect"))) << text;
  }
}

TEST(ConfigLoaderTest, QuotedAndPlainValuesAreTheSame) {
  v1::Config config = Good(std::string(kLeast) + "  max_connections: \"10\"\n  demo_page: 'true'\n");

  EXPECT_EQ(config.edge().max_connections(), 10u);
  EXPECT_TRUE(config.edge().demo_page());
}

TEST(ConfigLoaderTest, AnchorsWork) {
  v1::Config config =
      Good("edge:\n  endpoints:\n    - &a {path: /a, anonymous: true}\n    - path: /b\n      anonymous: true\n");

  EXPECT_EQ(config.edge().endpoints(1).path(), "/b");
}

struct PlaceCase {
  std::string text;  // follows kLeast
  std::string problem;
};

TEST(ConfigLoaderTest, EachProblemHasItsPlace) {
  // kLeast has three lines; these begin in the fourth.
  const PlaceCase kCases[] = {
      {"  listn: x\n", "c.yaml:4:3: edge.listn: unknown setting; did you mean listen?"},
      {"  colour: x\n", "c.yaml:4:3: edge.colour: unknown setting; known here: listen, endpoints"},
      {"hubs:\n  shards: 1\n", "c.yaml:4:1: hubs: unknown setting; did you mean hub?"},
      {"hub:\n  shards: many\n", "c.yaml:5:11: hub.shards: \"many\" is not a whole number"},
      {"hub:\n  shards: 65\n", "c.yaml:5:11: hub.shards: 65 is too large: at most 64"},
      {"hub:\n  shards:\n", "hub.shards: must be one value"},
      {"hub:\n  shards: [1]\n", "c.yaml:5:11: hub.shards: must be one value"},
      {"hub: 3\n", "c.yaml:4:6: hub: must be a group of settings"},
      {"hub: [1]\n", "c.yaml:4:6: hub: must be a group of settings"},
      {"  allowed_origins: https://a.com\n", "c.yaml:4:20: edge.allowed_origins: must be a list"},
      {"  allowed_origins: [[x]]\n", "c.yaml:4:21: edge.allowed_origins[0]: must be one value"},
      {"  allowed_origins:\n    - https://a.com\n    - nonsense\n",
       "c.yaml:6:7: edge.allowed_origins[1]: \"nonsense\" is no origin"},
      {"control:\n  keys:\n    - {name: a, secret: sixteen bytes!!!}\n    - {name: b, secret: sixteen bytes..., verb: "
       "[read]}\n",
       "c.yaml:7:43: control.keys[1].verb: unknown setting; did you mean verbs?"},
      {"control:\n  keys:\n    - {name: a, secret: sixteen bytes!!!, verbs: [write]}\n",
       "c.yaml:6:51: control.keys[0].verbs[0]: \"write\" is none of publish, read, admin"},
      {"  listen: 127.0.0.1\n", "c.yaml:4:11: edge.listen: \"127.0.0.1\" is not an address and a port"},
      {"log: {level: loud}\n", "c.yaml:4:14: log.level: \"loud\" is none of debug, info, warn, error"},
      {"log:\n  level: info\n  level: warn\n", "c.yaml:6:3: log.level: is there twice"},
      {"log: {}\nlog: {}\n", "c.yaml:5:1: log: is there twice"},
      {"? [a, b]\n: c\n", "a key must be a word"},
  };
  for (const PlaceCase& c : kCases) {
    EXPECT_THAT(Problems(kLeast + c.text), ElementsAre(HasSubstr(c.problem))) << c.text;
  }
}

// What a file that is no YAML would have set is not known, so nothing else can be said of it.
TEST(ConfigLoaderTest, AFileThatIsNoYamlIsOneProblem) {
  const PlaceCase kCases[] = {
      {"hub: {shards: 1\n", "c.yaml:5:1: "},
      {"\thub: x\n", "c.yaml:4:1: "},
      {"hub: *nowhere\n", "c.yaml:4:6: "},
  };
  for (const PlaceCase& c : kCases) {
    EXPECT_THAT(Problems(kLeast + c.text), ElementsAre(HasSubstr(c.problem))) << c.text;
  }
}

TEST(ConfigLoaderTest, AllProblemsAreTold) {
  std::vector<std::string> problems = Problems(R"(edge:
  listen: nowhere
  request_timeout: 5
  endpoints:
    - path: ws
      anonymous: yes
      peer_timeout: 10s
      outbox_mesages: 5
control:
  listen: 0.0.0.0:7311
log:
  level: loud
)");

  EXPECT_THAT(
      problems,
      ::testing::UnorderedElementsAre(
          HasSubstr("c.yaml:2:11: edge.listen:"), HasSubstr("c.yaml:3:20: edge.request_timeout:"),
          HasSubstr("c.yaml:5:13: edge.endpoints[0].path:"), HasSubstr("c.yaml:6:18: edge.endpoints[0].anonymous:"),
          HasSubstr("c.yaml:7:21: edge.endpoints[0].peer_timeout:"),
          HasSubstr("c.yaml:8:7: edge.endpoints[0].outbox_mesages: unknown setting; did you mean outbox_messages?"),
          HasSubstr("c.yaml:10:11: control.listen:"), HasSubstr("c.yaml:12:10: log.level:"),
          HasSubstr("nobody can connect")));
}

TEST(ConfigLoaderTest, TheFileIsOneGroup) {
  EXPECT_THAT(Problems("hello"), ::testing::Contains(HasSubstr("must be a group of settings")));
  EXPECT_THAT(Problems("- edge"), ::testing::Contains(HasSubstr("must be a group of settings")));
}

TEST(ConfigLoaderTest, SecretsAreNeverPrinted) {
  const std::string kSecret = "hunter2hunter2";
  const std::string kFiles[] = {
      "auth:\n  hs256_secret: " + kSecret + "\n",
      "auth:\n  hs256_secret: [" + kSecret + "]\n",
      "auth:\n  hs256_secret: {a: " + kSecret + "}\n",
      "control:\n  keys:\n    - {name: a, secret: " + kSecret + "}\n",
      "control:\n  keys:\n    - {name: a, secret: [" + kSecret + "]}\n",
      "auth:\n  hs256_secret: \"" + kSecret + "\\q\"\n",
  };
  for (const std::string& text : kFiles) {
    for (const std::string& problem : Problems(text)) EXPECT_THAT(problem, Not(HasSubstr("hunter2"))) << text;
  }
}

}  // namespace
}  // namespace carillon::server
