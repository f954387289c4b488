#pragma once

#include <optional>
#include <string>

#include "carillon/v1/envelope.pb.h"
#include "gateway/base/status.h"
#include "gateway/schema/registry.h"

// What an event says, made ready for clients. Pure but for the counters of schemas; any thread.
namespace carillon::control {

// A payload that must be of a type: because its stream and event are bound to it, or because it is an Any.
struct TypedPayload {
  std::string type;
  std::string field;        // of the request: event.json
  schema::Checked checked;  // its fields are within the payload
};

// The field of the request that a violation is about: event.json.items[0].price.
std::string FieldIn(const TypedPayload& typed, const schema::Violation& violation);

// Nothing where the payload may be anything.
std::optional<TypedPayload> ReadTyped(const v1::Event& event, const std::string& stream,
                                      const schema::Registry& schemas);

// Puts the payload of an event on a stream into the envelope, where it is at most `max_bytes` as clients receive it.
// INVALID_ARGUMENT naming the field (SCHEMA_MISMATCH where it is not its type); FAILED_PRECONDITION (TYPE_UNKNOWN).
Status ReadPayload(const v1::Event& event, const std::string& stream, schema::Registry& schemas, size_t max_bytes,
                   v1::Envelope* envelope);

// INVALID_ARGUMENT where an event cannot be named so.
Status CheckEventName(const std::string& name);

}  // namespace carillon::control
