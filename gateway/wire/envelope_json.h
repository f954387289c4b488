#pragma once

#include <string>

#include "carillon/v1/envelope.pb.h"

// Pieces of JSON that every dialect needs, written by hand: protobuf's own JSON writer is three hundred times slower
// and turns 64-bit numbers into strings (dependencies notes 2.4).
namespace carillon::wire {

// The payload: ready JSON spliced in as it is, bytes as a base64 string, nothing as null.
void AppendPayloadJson(std::string& out, const v1::Envelope& envelope);

// {"id":…,"ts":…,"offset":…,"epoch":…,"log":…, then the sender's annotations by key}. ts in milliseconds since 1970.
void AppendMetaJson(std::string& out, const v1::Envelope& envelope);

}  // namespace carillon::wire
