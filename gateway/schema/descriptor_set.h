#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"

namespace carillon::schema {

class DescriptorSet;
using DescriptorSetPtr = std::shared_ptr<const DescriptorSet>;

// The types of a FileDescriptorSet, linked. Immutable; any thread. What Find and NewMessage give lives as long as this.
class DescriptorSet {
 public:
  // INVALID_ARGUMENT says what does not link, or which bound is exceeded; see RegisterDescriptors. `bytes` not empty.
  static StatusOr<DescriptorSetPtr> Build(std::string name, std::string_view bytes, bool configured);

  // Those of google/protobuf/*.proto that JSON has forms of its own for. Every set has them too.
  static const DescriptorSet& BuiltIn();

  DescriptorSet(const DescriptorSet&) = delete;
  DescriptorSet& operator=(const DescriptorSet&) = delete;
  ~DescriptorSet();

  const std::string& name() const { return name_; }
  bool configured() const { return configured_; }
  size_t bytes() const { return bytes_; }
  std::chrono::system_clock::time_point made() const { return made_; }

  // The full names of the set's own messages, sorted.
  const std::vector<std::string>& types() const { return types_; }

  // Null where there is none, here and among the built-in.
  const google::protobuf::Descriptor* Find(const std::string& type) const;

  // An empty message of a type that Find gave.
  std::unique_ptr<google::protobuf::Message> NewMessage(const google::protobuf::Descriptor* type) const;

 private:
  class Linker;

  DescriptorSet(std::string name, size_t bytes, bool configured);

  const std::string name_;
  const size_t bytes_;
  const bool configured_;
  const std::chrono::system_clock::time_point made_ = std::chrono::system_clock::now();
  std::vector<std::string> types_;
  google::protobuf::DescriptorPool pool_;
  mutable google::protobuf::DynamicMessageFactory factory_{&pool_};
};

// The full name in the URL of an Any: what follows its last slash.
std::string TypeInUrl(std::string_view url);

// Why a text cannot name a set, or empty.
std::string SetNameProblem(std::string_view name);

}  // namespace carillon::schema
