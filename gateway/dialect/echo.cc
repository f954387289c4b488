#include "gateway/dialect/echo.h"

namespace carillon::dialect {

Command EchoDialect::Parse(wire::Opcode opcode, std::string_view payload) const {
  return Echo{opcode, payload};
}

void EchoDialect::AppendReply(std::string&, const Reply&) const {}

wire::Frame::Encode EchoDialect::encode() const {
  return [](const v1::Envelope&, std::string&) {};
}

}  // namespace carillon::dialect
