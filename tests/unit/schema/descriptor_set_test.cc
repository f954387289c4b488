#include "gateway/schema/descriptor_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/seed.h"
#include "tests/support/shop_set.h"

namespace carillon::schema {
namespace {

using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptorProto;
using google::protobuf::FileDescriptorSet;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Why(const FileDescriptorSet& files) {
  auto set = DescriptorSet::Build("x", files.SerializeAsString(), false);
  EXPECT_FALSE(set.ok());
  EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument);
  return MessageOf(set.status());
}

TEST(DescriptorSetTest, KnowsItsTypesAndTheBuiltInOnes) {
  DescriptorSetPtr set = test::SetOf(test::ShopFiles());
  EXPECT_THAT(set->types(), Contains("shop.v1.Order"));
  EXPECT_THAT(set->types(), Contains("shop.v2.Old.Part"));
  EXPECT_THAT(set->types(), Not(Contains("shop.v1.Order.ExtrasEntry"))) << "a map's entry is no message";
  EXPECT_THAT(set->types(), Not(Contains("google.protobuf.Any")));
  EXPECT_TRUE(std::is_sorted(set->types().begin(), set->types().end()));
  EXPECT_NE(set->Find("shop.v1.Order"), nullptr);
  EXPECT_NE(set->Find("google.protobuf.BoolValue"), nullptr);
  EXPECT_EQ(set->Find("shop.v1.Order.ExtrasEntry"), nullptr);
  EXPECT_EQ(set->Find("shop.v1"), nullptr);
  EXPECT_EQ(set->Find(""), nullptr);
  EXPECT_NE(test::SetOf(test::ThingFiles("a"))->Find("google.protobuf.Timestamp"), nullptr) << "not imported";
}

TEST(DescriptorSetTest, FilesMayStandInAnyOrderAndLackProtobufsOwn) {
  FileDescriptorSet files = test::ShopFiles();
  FileDescriptorSet other;
  for (int i = files.file_size() - 1; i >= 0; --i) {
    if (!files.file(i).name().starts_with("google/protobuf/")) *other.add_file() = files.file(i);
  }
  EXPECT_EQ(test::SetOf(other)->types(), test::SetOf(files)->types());
}

TEST(DescriptorSetTest, WhatDoesNotLinkIsNamed) {
  EXPECT_THAT(Why({}), HasSubstr("no message type"));
  EXPECT_THAT(MessageOf(DescriptorSet::Build("x", "\xff\xff", false).status()), HasSubstr("FileDescriptorSet"));

  FileDescriptorSet files = test::ThingFiles("a");
  files.mutable_file(0)->add_dependency("b.proto");
  EXPECT_THAT(Why(files), HasSubstr("b.proto: is imported and not in the set"));

  files = test::ThingFiles("a");
  files.mutable_file(0)->mutable_message_type(0)->mutable_field(0)->set_type_name(".a.Missing");
  files.mutable_file(0)->mutable_message_type(0)->mutable_field(0)->set_type(FieldDescriptorProto::TYPE_MESSAGE);
  EXPECT_THAT(Why(files), HasSubstr("a.Missing"));

  files = test::ThingFiles("a");
  *files.add_file() = files.file(0);
  EXPECT_THAT(Why(files), HasSubstr("twice"));

  files = test::ThingFiles("a");
  files.mutable_file(0)->set_syntax("editions");
  EXPECT_THAT(Why(files), HasSubstr("syntax"));
}

// JSON takes a field by either name.
TEST(DescriptorSetTest, NoFieldHasAnothersName) {
  FileDescriptorSet files = test::ThingFiles("a");
  auto* thing = files.mutable_file(0)->mutable_message_type(0);
  auto* field = thing->add_field();
  *field = thing->field(0);
  field->set_name("other");
  field->set_number(2);
  field->set_json_name(thing->field(0).name());
  thing->mutable_field(0)->set_json_name("first");
  EXPECT_THAT(Why(files), HasSubstr("two fields are " + thing->field(0).name() + " in JSON"));
}

TEST(DescriptorSetTest, FilesThatImportEachOtherDoNotLink) {
  FileDescriptorSet files = test::ThingFiles("a");
  files.mutable_file(0)->add_dependency("a.proto");
  EXPECT_THAT(Why(files), HasSubstr("imports itself"));
  files = test::ThingFiles("a");
  files.mutable_file(0)->add_dependency("b.proto");
  *files.add_file() = test::ThingFiles("b").file(0);
  files.mutable_file(1)->add_dependency("a.proto");
  EXPECT_THAT(Why(files), HasSubstr("imports itself"));
}

// protobuf goes by the names of these types: another Timestamp would be read as what it is not.
TEST(DescriptorSetTest, ProtobufsOwnTypesAreTheGateways) {
  FileDescriptorSet files = test::ThingFiles("a");
  FileDescriptorProto forged = test::ThingFiles("google.protobuf").file(0);
  forged.set_name("google/protobuf/timestamp.proto");
  forged.mutable_message_type(0)->set_name("Timestamp");
  *files.add_file() = forged;
  files.mutable_file(0)->add_dependency(forged.name());
  DescriptorSetPtr set = test::SetOf(files);
  EXPECT_NE(set->Find("google.protobuf.Timestamp")->FindFieldByName("nanos"), nullptr);

  forged.set_name("mine.proto");
  *files.mutable_file(1) = forged;
  files.mutable_file(0)->clear_dependency();
  EXPECT_THAT(Why(files), HasSubstr("protobuf's own"));
}

TEST(DescriptorSetTest, Bounds) {
  FileDescriptorSet files = test::ThingFiles("a");
  auto* thing = files.mutable_file(0)->mutable_message_type(0);
  for (int i = 2; i <= 1001; ++i) {
    auto* field = thing->add_field();
    *field = thing->field(0);
    field->set_name("f" + std::to_string(i));
    field->set_number(i);
  }
  EXPECT_THAT(Why(files), HasSubstr("1001 fields"));
  thing->mutable_field()->RemoveLast();
  test::SetOf(files);

  files = test::ThingFiles("a");
  thing = files.mutable_file(0)->mutable_message_type(0);
  *thing->add_field() = thing->field(0);
  thing->mutable_field(1)->set_number(2);
  thing->mutable_field(1)->set_name("other");
  thing->mutable_field(0)->set_json_name("same");
  thing->mutable_field(1)->set_json_name("same");
  EXPECT_THAT(Why(files), HasSubstr("same"));

  FileDescriptorSet many;
  for (int i = 0; i <= 1000; ++i) *many.add_file() = test::ThingFiles("p" + std::to_string(i)).file(0);
  EXPECT_THAT(Why(many), HasSubstr("1001 files"));
}

// Each has the next as a field: protobuf makes all of them to make one.
TEST(DescriptorSetTest, ALongChainOfTypes) {
  auto chain = [](int length) {
    FileDescriptorSet files;
    auto* file = files.add_file();
    file->set_name("chain.proto");
    file->set_package("chain");
    for (int i = 0; i < length; ++i) {
      auto* type = file->add_message_type();
      type->set_name("T" + std::to_string(i));
      if (i + 1 == length) continue;
      auto* field = type->add_field();
      field->set_name("next");
      field->set_number(1);
      field->set_label(google::protobuf::FieldDescriptorProto::LABEL_OPTIONAL);
      field->set_type(google::protobuf::FieldDescriptorProto::TYPE_MESSAGE);
      field->set_type_name(".chain.T" + std::to_string(i + 1));
    }
    return files;
  };
  DescriptorSetPtr set = test::SetOf(chain(2000));
  EXPECT_NE(set->NewMessage(set->Find("chain.T0")), nullptr);
  EXPECT_THAT(Why(chain(2001)), HasSubstr("2001 message types, and at most 2000"));
}

TEST(DescriptorSetTest, ProblemsAreBounded) {
  FileDescriptorSet files;
  for (int i = 0; i < 100; ++i) {
    *files.add_file() = test::ThingFiles("p" + std::to_string(i)).file(0);
    files.mutable_file(i)->add_dependency(std::string(10'000, 'x'));
  }
  EXPECT_LT(Why(files).size(), 3000U);
  EXPECT_THAT(Why(files), HasSubstr("and 95 more"));
}

// Whatever comes is linked or refused.
TEST(DescriptorSetTest, Garbage) {
  test::Random random;
  std::string good = test::ShopFiles().SerializeAsString();
  for (size_t i = 0; i < test::Scaled(2000); ++i) {
    auto set = DescriptorSet::Build("x", random.Mutated(good), false);
    if (!set.ok()) continue;
    for (const std::string& type : (*set)->types()) {
      EXPECT_NE((*set)->Find(type), nullptr);
      (*set)->NewMessage((*set)->Find(type));
    }
  }
}

TEST(DescriptorSetTest, Names) {
  EXPECT_EQ(SetNameProblem("shop-v1_2.A"), "");
  EXPECT_NE(SetNameProblem(""), "");
  EXPECT_NE(SetNameProblem("a b"), "");
  EXPECT_NE(SetNameProblem(std::string(65, 'a')), "");
  EXPECT_EQ(TypeInUrl("type.googleapis.com/shop.v1.Order"), "shop.v1.Order");
  EXPECT_EQ(TypeInUrl("a/b/shop.v1.Order"), "shop.v1.Order");
  EXPECT_EQ(TypeInUrl("shop.v1.Order"), "shop.v1.Order");
  EXPECT_EQ(TypeInUrl("shop/"), "");
}

}  // namespace
}  // namespace carillon::schema
