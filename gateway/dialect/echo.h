#pragma once

#include "gateway/dialect/dialect.h"

namespace carillon::dialect {

// Sends every message back, text and binary, so that outside conformance suites can be pointed at the real session and
// queue code. Has no replies and hears no broadcasts.
class EchoDialect : public Dialect {
 public:
  Command Parse(wire::Opcode opcode, std::string_view payload) const override;
  void AppendReply(std::string& out, const Reply& reply) const override;
  wire::Encoding encoding() const override { return wire::Encoding::kNativeJson; }
  wire::Frame::Encode encode() const override;
  bool receives_broadcasts() const override { return false; }
};

}  // namespace carillon::dialect
