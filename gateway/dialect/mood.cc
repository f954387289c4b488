#include "gateway/dialect/mood.h"

#include <fmt/format.h>

namespace carillon::dialect {

namespace json = boost::json;

std::optional<Refusal> ReadMood(const json::object& object, wire::Mood* mood) {
  using wire::Availability;
  const json::value* value = object.if_contains("status");
  const json::string* status = value == nullptr ? nullptr : value->if_string();
  bool known = value == nullptr;
  for (Availability each : {Availability::kOnline, Availability::kAway, Availability::kBusy}) {
    if (status == nullptr || std::string_view(status->data(), status->size()) != wire::NameOf(each)) continue;
    mood->availability = each;
    known = true;
  }
  if (!known) return Refusal{"bad_status", "\"status\" must be \"online\", \"away\" or \"busy\""};
  if (const json::value* text = object.if_contains("text"); text != nullptr && !text->is_null()) {
    const json::string* words = text->if_string();
    if (words == nullptr || words->size() > wire::Mood::kMaxTextBytes) {
      return Refusal{"bad_text",
                     fmt::format("\"text\" must be a string of at most {} bytes", wire::Mood::kMaxTextBytes)};
    }
    mood->text.assign(words->data(), words->size());
  }
  return std::nullopt;
}

}  // namespace carillon::dialect
