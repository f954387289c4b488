#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <string_view>

// Codes and reasons as they stand on the wire: the names of codes.proto's values without the enum's own, in lower case.
// Any thread.
namespace carillon::wire {

std::string WordOf(const google::protobuf::EnumValueDescriptor& value);

// The number of a word; 0 where it is none.
int NumberOf(const google::protobuf::EnumDescriptor& codes, std::string_view word);

}  // namespace carillon::wire
