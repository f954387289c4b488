#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/string_map.h"
#include "gateway/schema/descriptor_set.h"
#include "gateway/schema/violation.h"

namespace carillon::schema {

// What a stream and an event are bound to.
struct Binding {
  std::string stream;  // a pattern; or "@user", "@session", "@all"
  std::string event;   // a name, or the beginning of names and a "*"
  std::string type;    // its full name
  bool configured = false;

  bool Matches(const std::string& stream_name, std::string_view event_name) const;
  bool SamePlace(const Binding& other) const { return stream == other.stream && event == other.event; }
};

// What became of a payload.
struct Checked {
  std::string json;                   // as subscribers get it
  std::vector<Violation> violations;  // empty: it is good
  bool type_unknown = false;          // no set has the type, and nothing else was looked at

  bool ok() const { return !type_unknown && violations.empty(); }
};

// The types and bindings of an app at one moment. Immutable; any thread. What it gives lives as long as it does.
class Schemas {
 public:
  // Sets in the order in which they count, as bindings. `max_bytes`: the largest payload, as subscribers get it.
  Schemas(std::vector<DescriptorSetPtr> sets, std::vector<Binding> bindings, size_t max_bytes);

  const std::vector<DescriptorSetPtr>& sets() const { return sets_; }
  const std::vector<Binding>& bindings() const { return bindings_; }

  // The first binding that matches; null: payloads are free there.
  const Binding* Find(const std::string& stream, std::string_view event) const;

  // The set that a type is taken from; null where there is none.
  const DescriptorSet* SetOf(const std::string& type) const;

  // JSON as a message of the type.
  Checked CheckJson(const std::string& type, std::string_view text) const;

  // The bytes of a message of the type.
  Checked CheckBytes(const std::string& type, std::string_view bytes) const;

 private:
  size_t memory() const { return max_bytes_ * kMemoryPerByte; }
  Checked Finish(const DescriptorSet& set, const google::protobuf::Message& message) const;

  // How much more memory a message may take than its JSON may have bytes.
  static constexpr size_t kMemoryPerByte = 64;

  const std::vector<DescriptorSetPtr> sets_;
  const std::vector<Binding> bindings_;
  const size_t max_bytes_;
};

// Why a text cannot be a binding's stream, or its event; or empty.
std::string StreamProblem(const std::string& stream);
std::string EventProblem(std::string_view event);

}  // namespace carillon::schema
