#include "gateway/server/schema_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "gateway/server/config_values.h"
#include "tests/support/shop_set.h"

namespace carillon::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SchemaFilesTest : public ::testing::Test {
 protected:
  SchemaFilesTest() { SetDefaults(limits_); }
  ~SchemaFilesTest() override { std::filesystem::remove_all(folder_); }

  // A file with this text.
  std::string File(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(folder_);
    std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  void AddSet(const std::string& name, const std::string& file) {
    v1::SchemaSetFile& set = *config_.add_sets();
    set.set_name(name);
    set.set_file(file);
  }

  void AddBinding(const std::string& stream, const std::string& event, const std::string& type) {
    v1::SchemaBindingRule& binding = *config_.add_bindings();
    binding.set_stream(stream);
    binding.set_event(event);
    binding.set_type(type);
  }

  schema::Configured Load(bool fold_names = false) {
    problems_.clear();
    return SchemasOf(config_, limits_, fold_names, [this](const std::string& path, const std::string& message) {
      problems_.push_back(path + ": " + message);
    });
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("schema_files_" + std::to_string(::getpid()));
  v1::SchemasConfig config_;
  v1::LimitsConfig limits_;
  std::vector<std::string> problems_;
};

TEST_F(SchemaFilesTest, SetsAndBindings) {
  AddSet("shop", File("shop", test::ShopFiles().SerializeAsString()));
  AddBinding("orders-*", "order.*", "shop.v1.Order");
  AddBinding("@user", "*", "google.protobuf.Struct");
  schema::Configured configured = Load();
  EXPECT_THAT(problems_, IsEmpty());
  ASSERT_EQ(configured.sets.size(), 1U);
  EXPECT_TRUE(configured.sets[0]->configured());
  ASSERT_EQ(configured.bindings.size(), 2U);
  EXPECT_TRUE(configured.bindings[0].configured);
  EXPECT_EQ(configured.bindings[0].type, "shop.v1.Order");
}

TEST_F(SchemaFilesTest, FilesThatAreNone) {
  std::string good = File("good", test::ThingFiles("a").SerializeAsString());
  AddSet("none", "");
  AddSet("away", folder_ / "away");
  AddSet("bad", File("bad", "garbage"));
  AddSet("", good);
  AddSet("good", good);
  AddSet("good", good);
  AddBinding("x", "e", "b.Missing");
  Load();
  EXPECT_THAT(problems_, ElementsAre("schemas.sets[0].file: is missing", HasSubstr("schemas.sets[1].file: "),
                                     HasSubstr("schemas.sets[2].file: " + (folder_ / "bad").string()),
                                     HasSubstr("schemas.sets[3].name"), "schemas.sets[5].name: stands above already"));
}

TEST_F(SchemaFilesTest, BindingsThatAreNone) {
  AddSet("a", File("a", test::ThingFiles("a").SerializeAsString()));
  AddBinding("x y", "e", "a.Thing");
  AddBinding("x", "", "a.Thing");
  AddBinding("x", "e", "a.Missing");
  AddBinding("x", "e", "a.Thing");
  AddBinding("x", "e", "a.Thing");
  AddBinding("Chat", "e", "a.Thing");
  Load(true);
  EXPECT_THAT(problems_,
              ElementsAre(HasSubstr("bindings[0].stream"), HasSubstr("bindings[1].event"),
                          HasSubstr("bindings[2].type"), "schemas.bindings[4]: stands above already, which counts",
                          HasSubstr("bindings[5].stream: has capitals")));
}

TEST_F(SchemaFilesTest, Limits) {
  std::string text = test::ThingFiles("a").SerializeAsString();
  AddSet("a", File("a", text));
  AddSet("b", File("b", test::ThingFiles("b").SerializeAsString()));
  AddBinding("x", "e", "a.Thing");
  limits_.set_schema_sets(1);
  Load();
  EXPECT_THAT(problems_, ElementsAre(HasSubstr("limits.schema_sets")));
  limits_.set_schema_sets(2);
  limits_.set_schema_bindings(0);
  Load();
  EXPECT_THAT(problems_, ElementsAre(HasSubstr("limits.schema_bindings")));
  limits_.set_schema_bindings(1);
  limits_.set_schema_bytes(text.size() + 1);
  Load();
  EXPECT_THAT(problems_, ElementsAre(HasSubstr("limits.schema_bytes")));
  limits_.set_schema_bytes(2 * text.size());
  Load();
  EXPECT_THAT(problems_, IsEmpty());
}

}  // namespace
}  // namespace carillon::server
