#include "gateway/schema/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/shop_set.h"

namespace carillon::schema {
namespace {

using ::testing::ElementsAre;

DescriptorSetPtr Thing(const std::string& name, const std::string& package, bool configured = false) {
  return test::SetOf(test::ThingFiles(package), name, configured);
}

std::vector<std::string> SetNames(const Registry& registry) {
  std::vector<std::string> names;
  std::shared_ptr<const Schemas> now = registry.GetAlways();
  for (const DescriptorSetPtr& set : now->sets()) names.push_back(set->name());
  return names;
}

TEST(RegistryTest, NothingCostsNothing) {
  Registry registry;
  EXPECT_EQ(registry.Get(), nullptr);
  EXPECT_NE(registry.GetAlways(), nullptr);
  ASSERT_TRUE(registry.Register(Thing("a", "a")).ok());
  EXPECT_NE(registry.Get(), nullptr);
  ASSERT_TRUE(*registry.Remove("a"));
  EXPECT_EQ(registry.Get(), nullptr);
  EXPECT_FALSE(*registry.Remove("a"));
}

TEST(RegistryTest, SetsAreReplacedAsAWhole) {
  Registry registry;
  EXPECT_FALSE(*registry.Register(Thing("s", "a")));
  std::shared_ptr<const Schemas> before = registry.Get();
  EXPECT_TRUE(*registry.Register(Thing("s", "b")));
  EXPECT_EQ(registry.Get()->SetOf("a.Thing"), nullptr);
  EXPECT_NE(registry.Get()->SetOf("b.Thing"), nullptr);
  EXPECT_NE(before->SetOf("a.Thing"), nullptr) << "who checks meanwhile goes on with what there was";
}

TEST(RegistryTest, ABindingKeepsItsType) {
  Registry registry;
  EXPECT_EQ(ReasonOf(registry.Bind({"*", "e", "a.Thing"}).status()), "TYPE_UNKNOWN");
  ASSERT_TRUE(registry.Register(Thing("s", "a")).ok());
  EXPECT_FALSE(*registry.Bind({"*", "e", "a.Thing"}));
  for (const Status& status : {registry.Remove("s").status(), registry.Register(Thing("s", "b")).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ReasonOf(status), "SCHEMA_IN_USE");
  }
  EXPECT_NE(registry.Get()->SetOf("a.Thing"), nullptr);
  ASSERT_TRUE(registry.Register(Thing("t", "a")).ok());
  EXPECT_TRUE(registry.Remove("s").ok()) << "another set has it";
  EXPECT_TRUE(*registry.Unbind({"*", "e", ""}));
  EXPECT_FALSE(*registry.Unbind({"*", "e", ""}));
  EXPECT_TRUE(registry.Remove("t").ok());
}

TEST(RegistryTest, BindingsCountInTheirOrder) {
  Registry registry;
  ASSERT_TRUE(registry.Register(Thing("s", "a")).ok());
  ASSERT_TRUE(registry.Register(Thing("t", "b")).ok());
  EXPECT_FALSE(*registry.Bind({"x", "*", "a.Thing"}));
  EXPECT_FALSE(*registry.Bind({"*", "*", "b.Thing"}));
  EXPECT_EQ(registry.Get()->Find("x", "e")->type, "a.Thing");
  EXPECT_EQ(registry.Get()->Find("y", "e")->type, "b.Thing");
  EXPECT_TRUE(*registry.Bind({"x", "*", "b.Thing"})) << "its place stays";
  EXPECT_EQ(registry.Get()->bindings()[0].stream, "x");
  EXPECT_EQ(registry.Get()->Find("x", "e")->type, "b.Thing");
}

TEST(RegistryTest, TheConfigurationCountsFirst) {
  Registry registry;
  ASSERT_TRUE(registry.Register(Thing("a", "a")).ok());
  ASSERT_TRUE(registry.Register(Thing("c", "b")).ok());
  ASSERT_TRUE(registry.Bind({"*", "*", "a.Thing"}).ok());
  ASSERT_TRUE(registry.Bind({"*", "f", "b.Thing"}).ok());
  registry.Configure({{Thing("c", "c", true)}, {{"*", "e", "c.Thing", true}}}, {});
  EXPECT_THAT(SetNames(registry), ElementsAre("c", "a")) << "the backend's c gave way";
  EXPECT_EQ(registry.Get()->Find("x", "e")->type, "c.Thing");
  EXPECT_EQ(registry.Get()->Find("x", "g")->type, "a.Thing");
  EXPECT_EQ(registry.Get()->bindings()[2].type, "b.Thing") << "stays, and refuses: better than letting through";

  EXPECT_EQ(ReasonOf(registry.Register(Thing("c", "d")).status()), "SCHEMA_CONFIGURED");
  EXPECT_EQ(ReasonOf(registry.Remove("c").status()), "SCHEMA_CONFIGURED");
  EXPECT_EQ(ReasonOf(registry.Bind({"*", "e", "a.Thing"}).status()), "SCHEMA_CONFIGURED");
  EXPECT_EQ(ReasonOf(registry.Unbind({"*", "e", ""}).status()), "SCHEMA_CONFIGURED");
  EXPECT_TRUE(registry.Register(Thing("d", "b")).ok()) << "what is broken may be mended, or changed otherwise";
  EXPECT_NE(registry.Get()->SetOf("b.Thing"), nullptr);

  registry.Configure({}, {});
  EXPECT_THAT(SetNames(registry), ElementsAre("a", "d"));
  EXPECT_EQ(registry.Get()->bindings().size(), 2U);
  registry.Clear();
  EXPECT_EQ(registry.Get(), nullptr);
}

TEST(RegistryTest, Limits) {
  Registry registry;
  size_t bytes = Thing("a", "a")->bytes();
  registry.Configure({}, {.sets = 2, .set_bytes = 2 * bytes, .bindings = 1});
  ASSERT_TRUE(registry.Register(Thing("a", "a")).ok());
  google::protobuf::FileDescriptorSet large = test::ThingFiles("b", std::string(100, 'x'));
  EXPECT_EQ(ReasonOf(registry.Register(test::SetOf(large, "b")).status()), "SCHEMA_LIMIT");
  ASSERT_TRUE(registry.Register(Thing("b", "b")).ok());
  EXPECT_EQ(ReasonOf(registry.Register(Thing("c", "c")).status()), "SCHEMA_LIMIT");
  EXPECT_TRUE(registry.Register(Thing("b", "c")).ok()) << "in the place of another";
  ASSERT_TRUE(registry.Bind({"x", "e", "a.Thing"}).ok());
  EXPECT_EQ(ReasonOf(registry.Bind({"y", "e", "a.Thing"}).status()), "SCHEMA_LIMIT");
  EXPECT_TRUE(registry.Bind({"x", "e", "c.Thing"}).ok());

  registry.Configure({}, {.sets = 1, .set_bytes = bytes, .bindings = 0});
  EXPECT_EQ(SetNames(registry).size(), 2U) << "what is there stays";
  EXPECT_TRUE(registry.Register(Thing("b", "c")).ok());
  EXPECT_EQ(ReasonOf(registry.Register(Thing("d", "d")).status()), "SCHEMA_LIMIT");
  EXPECT_TRUE(registry.Remove("a").ok());
}

// Those who check see one state or the other.
TEST(RegistryTest, Threads) {
  Registry registry;
  ASSERT_TRUE(registry.Register(Thing("s", "a")).ok());
  ASSERT_TRUE(registry.Bind({"*", "*", "a.Thing"}).ok());
  std::atomic<bool> over{false};
  std::vector<std::thread> checkers;
  for (int i = 0; i < 2; ++i) {
    checkers.emplace_back([&] {
      while (!over.load()) {
        std::shared_ptr<const Schemas> now = registry.Get();
        const Binding* bound = now->Find("x", "e");
        EXPECT_TRUE(now->CheckJson(bound->type, R"({"id":"1"})").ok());
        Checked other = now->CheckJson(bound->type, R"({"name":"1"})");
        EXPECT_EQ(other.ok() ? other.json : other.violations[0].field,
                  other.ok() ? R"({"id":"0","name":"1"})" : "name");
      }
    });
  }
  google::protobuf::FileDescriptorSet wider = test::ThingFiles("a");
  auto* thing = wider.mutable_file(0)->mutable_message_type(0);
  *thing->add_field() = thing->field(0);
  thing->mutable_field(1)->set_name("name");
  thing->mutable_field(1)->set_number(2);
  for (int i = 0; i < 200; ++i) {
    EXPECT_TRUE(registry.Register(i % 2 == 0 ? test::SetOf(wider, "s") : Thing("s", "a")).ok());
  }
  over.store(true);
  for (std::thread& checker : checkers) checker.join();
}

}  // namespace
}  // namespace carillon::schema
