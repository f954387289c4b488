#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <string_view>
#include <vector>

#include "gateway/schema/descriptor_set.h"
#include "gateway/schema/violation.h"

namespace carillon::schema {

// The message that a text is as proto3 JSON; null where something is wrong with it. Names of fields are those of the
// proto or the lowerCamelCase ones; 64-bit integers may be numbers or strings. Stricter than protobuf's own parser,
// which takes "yes" for true, drops lists within lists, and says of errors in maps that they are somewhere: what is not
// said in the specification is wrong. `memory` bounds what the message takes, in bytes. Pure; any thread.
std::unique_ptr<google::protobuf::Message> FromJson(const DescriptorSet& set, const google::protobuf::Descriptor* type,
                                                    std::string_view text, size_t memory,
                                                    std::vector<Violation>* violations);

}  // namespace carillon::schema
