#include <boost/json.hpp>

#include "gateway/edge/http_head.h"
#include "tests/fuzz/fuzz.h"

using carillon::edge::HeadResult;
using carillon::edge::HttpError;
using carillon::edge::Incomplete;
using carillon::edge::ParsedHead;

// A head is judged without a crash; however it is cut, it is accepted or refused alike; a refusal can always be told.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes = carillon::fuzz::TextOf(data, size);
  HeadResult whole = carillon::edge::ParseHead(bytes);

  size_t end = std::holds_alternative<ParsedHead>(whole) ? std::get<ParsedHead>(whole).size : size;
  bool refused_early = false;
  for (size_t cut = 0; cut < end && cut < 512; ++cut) {
    HeadResult part = carillon::edge::ParseHead(bytes.substr(0, cut));
    FUZZ_EXPECT(!std::holds_alternative<ParsedHead>(part));
    refused_early = refused_early || std::holds_alternative<HttpError>(part);
  }
  FUZZ_EXPECT(!refused_early || std::holds_alternative<HttpError>(whole));

  if (const auto* parsed = std::get_if<ParsedHead>(&whole)) {
    FUZZ_EXPECT(parsed->size <= size);
    FUZZ_EXPECT(!parsed->request.http_1_1 || !parsed->request.Header("host").empty());
    FUZZ_EXPECT(parsed->request.path.starts_with('/'));
    (void)parsed->request.HeaderHasToken("connection", "upgrade");
  }
  if (const auto* error = std::get_if<HttpError>(&whole)) {
    FUZZ_EXPECT(error->status >= 400 && error->status < 500);
    std::string response = carillon::edge::MakeErrorResponse(*error);
    boost::json::parse(response.substr(response.find("\r\n\r\n") + 4)).at("error");
  }
  return 0;
}
