#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "gateway/schema/descriptor_set.h"

namespace carillon::schema {

// The proto3 JSON of a message that CheckWire found sound: names in lowerCamelCase, 64-bit integers and bytes as
// strings, fields in the order of the type, those without presence always, with their zero; keys of maps sorted. Writes
// no more than about `max_bytes`: a text that is longer is cut off, because a few bytes of a message may stand for very
// much text. Pure; any thread.
std::string JsonOf(const DescriptorSet& set, const google::protobuf::Message& message, size_t max_bytes);

}  // namespace carillon::schema
