#include "gateway/wire/topic.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace carillon::wire {
namespace {

bool IsStreamCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == ':' || c == '-';
}

bool IsControl(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

}  // namespace

std::string_view LogName(const TopicView& topic) {
  switch (topic.kind) {
    case TopicKind::kStream:
      return topic.name;
    case TopicKind::kUser:
      return kInboxLog;
    case TopicKind::kSession:
      return kSessionStream;
    case TopicKind::kEvents:
      return kEventsStream;
    case TopicKind::kEveryone:
      break;
  }
  return kAllStream;
}

Status CheckStreamName(std::string_view name) {
  if (name.empty()) return InvalidArgument("a stream name is needed");
  if (name.size() > kMaxStreamBytes) {
    return InvalidArgument("a stream name has at most {} bytes, this one {}", kMaxStreamBytes, name.size());
  }
  if (!std::all_of(name.begin(), name.end(), IsStreamCharacter)) {
    return InvalidArgument("a stream name holds only letters, digits and . _ : -");
  }
  if (absl::EqualsIgnoreCase({name.data(), name.size()}, {kSystemStream.data(), kSystemStream.size()})) {
    return InvalidArgument("the stream \"system\" is Carillon's own");
  }
  return absl::OkStatus();
}

void FoldName(std::string* name) {
  absl::AsciiStrToLower(name);
}

bool HasCapitals(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

Status CheckAppName(std::string_view name) {
  constexpr size_t kMaxLabelBytes = 63;
  bool sound = !name.empty() && name.size() <= kMaxLabelBytes && name.front() != '-' && name.back() != '-' &&
               std::all_of(name.begin(), name.end(),
                           [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
  if (sound) return absl::OkStatus();
  return InvalidArgument("an app's name has 1 to {} letters a-z, digits and -, and neither begins nor ends with -",
                         kMaxLabelBytes);
}

Status CheckUserId(std::string_view id) {
  if (id.empty()) return InvalidArgument("a user id is needed");
  if (id.size() > kMaxUserIdBytes) {
    return InvalidArgument("a user id has at most {} bytes, this one {}", kMaxUserIdBytes, id.size());
  }
  if (std::any_of(id.begin(), id.end(), IsControl)) return InvalidArgument("a user id holds no control characters");
  return absl::OkStatus();
}

bool NeedsIdentity(std::string_view stream) {
  return stream.starts_with("private-") || stream.starts_with(kPresencePrefix);
}

}  // namespace carillon::wire
