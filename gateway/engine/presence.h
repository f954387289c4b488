#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "gateway/base/ids.h"
#include "gateway/base/status.h"
#include "gateway/engine/stream_rules.h"
#include "gateway/wire/member.h"
#include "gateway/wire/topic.h"

namespace carillon::engine {

// Who somebody is, as a stream's members see it.
struct Person {
  std::string_view user_id;
  std::string_view name;
  std::string_view info;              // JSON; empty: nothing
  wire::WallClock::time_point as_of;  // what was said later goes over what was said before
};

// How a session leaves.
enum class Leaving : uint8_t {
  kForGood,  // it said so, or may not come back
  kPerhaps,  // its connection ended: the user may be back within the rule's grace
};

struct Members {
  std::vector<wire::Member> page;  // in the order of their ids; empty where only counts are told
  size_t count = 0;                // of all
  bool counts_only = false;        // subscribers are told the count and not who comes and goes
  bool more = false;
};

// Who is in the streams whose rule keeps presence. A user is there from the first session to the last; changes are
// published to the stream itself, in the order in which they happen, as presence.join, presence.leave and
// presence.update, or, where there are too many, as presence.count. A change that cannot be published at once is
// published later: until then nobody has seen it, and nothing overtakes it. Any thread.
class Presence {
 public:
  virtual ~Presence() = default;

  // A session with a user listens to a stream; or does already, and its user's token is a newer one. Idempotent.
  // `rule` as the engine's RuleOf said; one without presence does nothing.
  virtual void Enter(const wire::TopicView& stream, const TopicRule& rule, SessionId session, const Person& person) = 0;

  // It does not any more. Nothing where it did not.
  virtual void Leave(const wire::TopicView& stream, SessionId session, std::string_view user_id, Leaving leaving) = 0;

  // A user is sent away: of the app's streams in which only the grace keeps them they leave now. Looks at every stream.
  virtual void EndGrace(wire::AppId app, std::string_view user_id) = 0;

  // What the user says of themselves there. NOT_FOUND: the user is not there.
  virtual Status SetMood(const wire::TopicView& stream, std::string_view user_id, const wire::Mood& mood) = 0;

  // The members after a user (empty: from the first one on), at most `limit`, with `all` even where subscribers are
  // told counts only.
  virtual Members List(const wire::TopicView& stream, std::string_view after, size_t limit, bool all) const = 0;
};

}  // namespace carillon::engine
