#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/hash/hash.h"
#include "gateway/base/status.h"

// Addresses. Everything that can be spoken to is a topic: a stream, a user, one session, everyone.
namespace carillon::wire {

// A tenant's number in this process. What it is called is the configuration's (auth::Apps).
using AppId = uint16_t;
inline constexpr AppId kDefaultApp = 0;
inline constexpr AppId kMaxApps = 1000;

inline constexpr std::string_view kDefaultAppName = "default";

enum class TopicKind : uint8_t {
  kStream,    // name: the stream's
  kUser,      // name: the user's id
  kSession,   // name: SessionId::ToString()
  kEveryone,  // no name
  kEvents,    // no name: the app's feed, which no session hears
};

// A topic that borrows its name. Two topics are the same where all three parts are: nothing is joined into one string,
// so no choice of names can make two apps or kinds meet.
struct TopicView {
  AppId app = kDefaultApp;
  TopicKind kind = TopicKind::kEveryone;
  std::string_view name;

  bool operator==(const TopicView&) const = default;

  template <class H>
  friend H AbslHashValue(H state, const TopicView& topic) {
    return H::combine(std::move(state), topic.app, static_cast<uint8_t>(topic.kind), topic.name);
  }
};

// A topic that owns its name.
struct Topic {
  AppId app = kDefaultApp;
  TopicKind kind = TopicKind::kEveryone;
  std::string name;

  Topic() = default;
  Topic(AppId app, TopicKind kind, std::string name) : app(app), kind(kind), name(std::move(name)) {}
  explicit Topic(const TopicView& view) : app(view.app), kind(view.kind), name(view.name) {}

  operator TopicView() const { return {app, kind, name}; }  // NOLINT: a view of itself
};

inline size_t HashOf(const TopicView& topic) {
  return absl::HashOf(topic);
}

// The stream that replies and notices use; nobody may subscribe or publish to it.
inline constexpr std::string_view kSystemStream = "system";

// What clients see as the stream of a message whose sender named none. "@" is no stream character, so these cannot be
// subscribed to.
inline constexpr std::string_view kUserStream = "@user";
inline constexpr std::string_view kSessionStream = "@session";
inline constexpr std::string_view kAllStream = "@all";
inline constexpr std::string_view kEventsStream = "@events";

// What clients call the log of their own inbox: as the stream.
inline constexpr std::string_view kInboxLog = kUserStream;

// Streams whose names begin so know who is there, unless a rule says otherwise.
inline constexpr std::string_view kPresencePrefix = "presence-";

inline constexpr size_t kMaxStreamBytes = 128;
inline constexpr size_t kMaxUserIdBytes = 256;

// What clients call the log of a topic, or would: the stream, "@user", "@session" or "@all".
std::string_view LogName(const TopicView& topic);

// Why a stream's name is refused, or OK: 1 to 128 bytes of [A-Za-z0-9._:-], not "system" in any case of letters.
Status CheckStreamName(std::string_view name);

// The name in lower case: what it means in an app that folds names.
void FoldName(std::string* name);
bool HasCapitals(std::string_view text);

// Why an app's name is refused, or OK: what a label of a host name may be (RFC 1123 section 2.1), in lower case.
Status CheckAppName(std::string_view name);

// Why a user's id is refused, or OK: 1 to 256 bytes without control characters.
Status CheckUserId(std::string_view id);

// True for names that begin with "private-" or "presence-": they want an identified session.
bool NeedsIdentity(std::string_view stream);

}  // namespace carillon::wire
