#include "gateway/wire/member.h"

#include <fmt/format.h>

#include "gateway/base/json_escape.h"

namespace carillon::wire {

std::string_view NameOf(Availability availability) {
  switch (availability) {
    case Availability::kOnline:
      return "online";
    case Availability::kAway:
      return "away";
    case Availability::kBusy:
      return "busy";
  }
  return "";
}

void AppendMemberJson(std::string& out, const Member& member) {
  out.append(R"({"user":{"id":)");
  AppendJsonString(out, member.user_id);
  out.append(R"(,"name":)");
  AppendJsonString(out, member.name);
  if (!member.info.empty()) out.append(R"(,"info":)").append(member.info);
  out.append(R"(},"status":")").append(NameOf(member.mood.availability));
  out.append(R"(","text":)");
  AppendJsonString(out, member.mood.text);
  auto since = std::chrono::duration_cast<std::chrono::milliseconds>(member.since.time_since_epoch());
  fmt::format_to(std::back_inserter(out), R"(,"since":{}}})", since.count());
}

}  // namespace carillon::wire
