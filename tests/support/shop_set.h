#pragma once

#include <google/protobuf/descriptor.pb.h>

#include <set>
#include <string>

#include "gateway/base/check.h"
#include "gateway/schema/descriptor_set.h"
#include "tests/support/shop.pb.h"
#include "tests/support/shop2.pb.h"

namespace carillon::test {

// A file and all that it imports, as protoc --include_imports writes them.
inline void AddWithImports(const google::protobuf::FileDescriptor& file, google::protobuf::FileDescriptorSet* into) {
  for (int i = 0; i < file.dependency_count(); ++i) AddWithImports(*file.dependency(i), into);
  for (const auto& known : into->file()) {
    if (known.name() == file.name()) return;
  }
  auto* added = into->add_file();
  file.CopyTo(added);
  file.CopyJsonNameTo(added);
}

// shop.proto and shop2.proto.
inline google::protobuf::FileDescriptorSet ShopFiles() {
  google::protobuf::FileDescriptorSet files;
  AddWithImports(*shop::v1::Order::descriptor()->file(), &files);
  AddWithImports(*shop::v2::Old::descriptor()->file(), &files);
  return files;
}

inline schema::DescriptorSetPtr SetOf(const google::protobuf::FileDescriptorSet& files,
                                      const std::string& name = "shop", bool configured = false) {
  auto set = schema::DescriptorSet::Build(name, files.SerializeAsString(), configured);
  if (!set.ok()) std::fprintf(stderr, "%s\n", MessageOf(set.status()).c_str());
  CARILLON_CHECK(set.ok());
  return *set;
}

// A set with one type, PACKAGE.Thing, that has one field.
inline google::protobuf::FileDescriptorSet ThingFiles(const std::string& package, const std::string& field = "id") {
  google::protobuf::FileDescriptorSet files;
  auto* file = files.add_file();
  file->set_name(package + ".proto");
  file->set_package(package);
  file->set_syntax("proto3");
  auto* thing = file->add_message_type();
  thing->set_name("Thing");
  auto* made = thing->add_field();
  made->set_name(field);
  made->set_number(1);
  made->set_type(google::protobuf::FieldDescriptorProto::TYPE_INT64);
  made->set_label(google::protobuf::FieldDescriptorProto::LABEL_OPTIONAL);
  return files;
}

}  // namespace carillon::test
