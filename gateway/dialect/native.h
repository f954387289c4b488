#pragma once

#include "gateway/dialect/dialect.h"

namespace carillon::dialect {

// Carillon's own language (design.md section 5, docs/protocol.md). Clients say {"action": …}; the gateway always says
// {"stream": …, "event": …, "data": …, "meta": …}, with replies and notices on the reserved stream "system".
class NativeDialect : public Dialect {
 public:
  Command Parse(wire::Opcode opcode, std::string_view payload) const override;
  void AppendReply(std::string& out, const Reply& reply) const override;
  wire::Encoding encoding() const override { return wire::Encoding::kNativeJson; }
  wire::Frame::Encode encode() const override { return &AppendEnvelope; }
  bool receives_broadcasts() const override { return true; }

  // Appends an envelope as one WebSocket text frame.
  static void AppendEnvelope(const v1::Envelope& envelope, std::string& out);

  // The JSON text of an envelope, without the frame around it.
  static void AppendEnvelopeText(const v1::Envelope& envelope, std::string& out);
};

}  // namespace carillon::dialect
