#pragma once

#include <google/protobuf/descriptor.h>

#include <string_view>
#include <vector>

#include "gateway/schema/descriptor_set.h"
#include "gateway/schema/violation.h"

namespace carillon::schema {

// What is wrong with the bytes of a message, for all that JSON of it must say: fields that the type does not have, text
// that is not UTF-8, times out of range, values that JSON has no word for, an Any of a type that the set does not have,
// nesting beyond wire::kMaxJsonDepth, proto2's required fields that are missing. `memory` bounds what
// the message takes once it is parsed, in bytes, which may be a thousand times what it takes here. Pure; any thread.
std::vector<Violation> CheckWire(const DescriptorSet& set, const google::protobuf::Descriptor* type,
                                 std::string_view bytes, size_t memory);

// What an empty message of a type takes in memory, about.
size_t ObjectBytes(const google::protobuf::Descriptor& type);

// Types whose JSON is a form of its own, rather than an object of their fields.
enum class Form : uint8_t {
  kObject,
  kAny,
  kTimestamp,
  kDuration,
  kFieldMask,
  kStruct,
  kValue,
  kListValue,
  kWrapper,
};
Form FormOf(const google::protobuf::Descriptor& type);

}  // namespace carillon::schema
