#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/auth/identity.h"

// Who may do what with an app's streams. From config.proto's StreamRule, which says what each one means.
namespace carillon::auth {

// Who of an app's clients may. Each way is enough.
struct Access {
  enum class Who : uint8_t { kByName, kAnyone, kIdentified, kGranted, kNobody };

  Who who = Who::kByName;
  std::vector<std::string> roles;
  std::vector<std::string> owners;  // Expand patterns

  // `granted`: a token grants the stream. A null identity is an anonymous session's.
  bool Allows(const std::string& stream, const Identity* identity, bool granted) const;
};

// So many in so long, counted from the first.
struct Rate {
  uint32_t count = 0;  // 0: any number
  std::chrono::milliseconds window{0};

  bool operator==(const Rate&) const = default;

  // 5/5s, 100/1m. Nothing where the text is none.
  static std::optional<Rate> Parse(std::string_view text);
};

// A kind of message that clients may publish.
struct ClientEventRule {
  std::string event;  // a name, or the beginning of names and a "*"
  Rate rate;
};

// How clients may use the streams that a pattern matches.
struct StreamAccess {
  std::string pattern;
  std::string description;  // for people
  bool reserved = false;
  Access subscribe;
  std::string subscribe_hook;                 // the backend that is asked as well; empty: none
  std::map<std::string, std::string> filter;  // annotation to Expand pattern
  Access publish{Access::Who::kNobody, {}, {}};
  std::string publish_hook;
  std::vector<ClientEventRule> events;  // empty: anything
  size_t max_payload_bytes = 16 << 10;
  Rate moods{5, std::chrono::seconds(10)};  // how often a session may set its user's

  // The annotations that messages must have for a session; nothing where its token does not say one of them.
  std::optional<std::map<std::string, std::string>> FilterFor(const Identity* identity) const;

  // The rule for an event; null where it may not be published.
  const ClientEventRule* FindEvent(std::string_view event) const;
};

// The rules of an app, the first that matches counts. Immutable; any thread.
class Catalogue {
 public:
  Catalogue() = default;
  explicit Catalogue(std::vector<StreamAccess> rules);

  // Whether any rule has a backend asked about who may subscribe.
  bool AsksBackends() const { return asks_backends_; }

  // The rule of a stream; where none matches, the one that everybody has. Lives as long as this.
  const StreamAccess& Find(const std::string& stream) const;

 private:
  std::vector<StreamAccess> rules_;
  StreamAccess otherwise_;
  bool asks_backends_ = false;
};

// Whether a rule for events, a name or the beginning of names and a "*", is for this one.
bool MatchesEvent(std::string_view rule, std::string_view event);

// Whether a session's own token grants a stream.
bool Grants(const Identity* identity, std::string_view stream);

}  // namespace carillon::auth
