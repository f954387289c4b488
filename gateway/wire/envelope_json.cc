#include "gateway/wire/envelope_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "absl/strings/escaping.h"
#include "gateway/base/json_escape.h"

namespace carillon::wire {

void AppendPayloadJson(std::string& out, const v1::Envelope& envelope) {
  switch (envelope.payload_case()) {
    case v1::Envelope::kJson:
      out.append(envelope.json());
      break;
    case v1::Envelope::kBinary:
      out.push_back('"');
      out.append(absl::Base64Escape(absl::string_view(envelope.binary())));
      out.push_back('"');
      break;
    case v1::Envelope::PAYLOAD_NOT_SET:
      out.append("null");
      break;
  }
}

void AppendMetaJson(std::string& out, const v1::Envelope& envelope) {
  out.append(R"({"id":)");
  AppendJsonString(out, envelope.id());
  int64_t ms = envelope.time().seconds() * 1000 + envelope.time().nanos() / 1'000'000;
  fmt::format_to(std::back_inserter(out), R"(,"ts":{})", ms);
  if (envelope.has_position()) {
    fmt::format_to(std::back_inserter(out), R"(,"offset":{},"epoch":)", envelope.position().offset());
    AppendJsonString(out, envelope.position().epoch());
  }
  if (!envelope.log().empty()) {
    out.append(R"(,"log":)");
    AppendJsonString(out, envelope.log());
  }
  // protobuf's maps have no order of their own; the same message must always be the same bytes.
  std::vector<std::pair<std::string_view, std::string_view>> sorted(envelope.meta().begin(), envelope.meta().end());
  std::sort(sorted.begin(), sorted.end());
  for (const auto& [key, value] : sorted) {
    out.push_back(',');
    AppendJsonString(out, key);
    out.push_back(':');
    AppendJsonString(out, value);
  }
  out.push_back('}');
}

}  // namespace carillon::wire
