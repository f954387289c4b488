#pragma once

#include <string>
#include <vector>

#include "carillon/v1/envelope.pb.h"

namespace carillon::test {

// One pair of tests/golden/envelopes: an envelope in protobuf's text format (NAME.textproto) and the exact JSON text
// that native clients receive (NAME.json, whose last line break is not part of it).
struct GoldenEnvelope {
  std::string name;
  v1::Envelope envelope;
  std::string json;
};

// All pairs, sorted by name. Throws std::runtime_error where one is broken.
std::vector<GoldenEnvelope> LoadGoldenEnvelopes();

}  // namespace carillon::test
