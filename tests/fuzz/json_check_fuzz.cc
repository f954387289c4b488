#include "gateway/wire/json_check.h"

#include <boost/json.hpp>

#include "gateway/dialect/native.h"
#include "tests/fuzz/fuzz.h"

// The check that builds nothing agrees with the parser that builds values; and what it lets through makes a valid
// message when it is spliced into one.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text = carillon::fuzz::TextOf(data, size);
  bool good = carillon::wire::CheckJson(text).ok();

  boost::json::parse_options options;
  options.max_depth = carillon::wire::kMaxJsonDepth;
  boost::json::error_code error;
  boost::json::parse(boost::json::string_view(text.data(), text.size()), error, {}, options);
  FUZZ_EXPECT(good == !error);
  if (!good) return 0;

  carillon::v1::Envelope envelope;
  envelope.set_json(std::string(text));
  std::string message;
  carillon::dialect::NativeDialect::AppendEnvelopeText(envelope, message);
  options.max_depth = carillon::wire::kMaxJsonDepth + 1;
  boost::json::value parsed = boost::json::parse(message, error, {}, options);
  FUZZ_EXPECT(!error);
  FUZZ_EXPECT(parsed.as_object().size() == 4);
  return 0;
}
