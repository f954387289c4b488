#include "tools/cli/payload_template.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <chrono>
#include <regex>

#include "gateway/base/random.h"

namespace carillon::cli {
namespace {

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

struct Place {
  std::string_view name;
  std::string (*made)(uint64_t count);
};

constexpr Place kPlaces[] = {
    {"Count", [](uint64_t count) { return std::to_string(count); }},
    {"Time",
     [](uint64_t) {
       using google::protobuf::util::TimeUtil;
       return TimeUtil::ToString(TimeUtil::MillisecondsToTimestamp(NowMs()));
     }},
    {"UnixMs", [](uint64_t) { return std::to_string(NowMs()); }},
    {"Random", [](uint64_t) { return std::to_string(RandomBits() % 1'000'000); }},
    {"ID", [](uint64_t) { return RandomHex(8); }},
};

}  // namespace

StatusOr<PayloadTemplate> PayloadTemplate::Parse(std::string_view text) {
  static const std::regex kPattern(R"(\{\{ *\.(\w+) *\}\})");
  PayloadTemplate parsed;
  const char* at = text.data();
  const char* end = text.data() + text.size();
  for (std::cmatch match; std::regex_search(at, end, match, kPattern); at = match[0].second) {
    std::string name = match[1].str();
    const Place* place =
        std::find_if(std::begin(kPlaces), std::end(kPlaces), [&](const Place& one) { return one.name == name; });
    if (place == std::end(kPlaces)) {
      return InvalidArgument("{}: there is no such template; there are {}, and --literal leaves all as it is",
                             match[0].str(), kTemplateNames);
    }
    parsed.parts_.push_back({std::string(at, match[0].first), place->made});
  }
  parsed.parts_.push_back({std::string(at, end), nullptr});
  return parsed;
}

PayloadTemplate PayloadTemplate::Literal(std::string text) {
  PayloadTemplate literal;
  literal.parts_.push_back({std::move(text), nullptr});
  return literal;
}

std::string PayloadTemplate::Fill(uint64_t count) const {
  std::string filled;
  for (const Part& part : parts_) {
    filled += part.text;
    if (part.made != nullptr) filled += part.made(count);
  }
  return filled;
}

}  // namespace carillon::cli
