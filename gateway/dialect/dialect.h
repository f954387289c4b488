#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gateway/base/ids.h"
#include "gateway/base/status.h"
#include "gateway/base/string_map.h"
#include "gateway/wire/filter.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/member.h"
#include "gateway/wire/position.h"
#include "gateway/wire/skip.h"
#include "gateway/wire/ws_frame.h"

// A dialect is a wire language of the edge: bytes from a client become a command, envelopes and replies become bytes.
// Dialects are pure: no I/O, no threads, no state.
namespace carillon::dialect {

// --- What a client may say -------------------------------------------------------------------------------------------

// The client's own number or string for a request, echoed in the reply as it came (raw JSON); empty: none.
using RequestId = std::string;

// From where a client wants to hear a stream.
struct Wanted {
  enum class Kind : uint8_t { kNow, kPosition, kTime, kLast, kLatest };

  Kind kind = Kind::kNow;
  wire::Position position;
  int64_t time_ms = 0;
  uint64_t last = 0;
};
// By stream, or "@user"; `otherwise` is for streams that are not named.
struct WantedByStream {
  StringMap<Wanted> streams;
  Wanted otherwise;

  const Wanted& Of(std::string_view stream) const;
};

struct Subscribe {
  RequestId id;
  std::vector<std::string> streams;
  WantedByStream wanted;
  wire::Filter filter;
  StringMap<std::string> tokens;  // by stream: for that one alone
};
struct Unsubscribe {
  RequestId id;
  std::vector<std::string> streams;
};
struct Ping {
  RequestId id;
  std::string echo;  // raw JSON; empty: none
};
struct Auth {
  RequestId id;
  std::string token;
  WantedByStream wanted;
  std::string rest;  // what else the frame says, as JSON, for a backend that is asked about the token; empty: nothing
};
struct Publish {
  RequestId id;
  std::string stream;  // empty: none is named
  std::string event;
  std::string json;       // the payload, as text
  bool to_sender = true;  // it hears the message as well
};
// Who is in a stream: the users after one of them, or from the first on.
struct ListMembers {
  RequestId id;
  std::string stream;
  std::string after;
  size_t limit = 100;
};
// What the user says of themselves; in all streams where none is named.
struct SetMood {
  RequestId id;
  std::string stream;
  wire::Mood mood;
};
// Send again what came to the session's streams, and to its user, after a message or since a time.
struct Sync {
  RequestId id;
  std::string last_message;        // its id; empty: none
  std::optional<int64_t> time_ms;  // where there is no such message, or it is not known
};
// Send this back as it is.
struct Echo {
  wire::Opcode opcode;
  std::string_view payload;
};
// Not understood. Answered with an error; the session goes on.
struct Nonsense {
  RequestId id;
  std::string_view code;  // of a fixed set
  std::string message;
};
// Not a language that this dialect speaks at all: the session ends.
struct Refused {
  wire::CloseCode code;
};

using Command =
    std::variant<Subscribe, Unsubscribe, Ping, Auth, Publish, ListMembers, SetMood, Sync, Echo, Nonsense, Refused>;

// --- What the gateway answers ----------------------------------------------------------------------------------------

// Why something was refused: `code` is of a fixed set, `message` is for people.
struct Refusal {
  std::string_view code;
  std::string message;
  bool temporary = false;
  uint32_t retry_after_ms = 0;
};

struct RefusedStream {
  std::string stream;
  Refusal why;
};

// What became of a request to hear what was missed.
enum class Recovered : uint8_t { kNotAsked, kOk, kEpochChanged, kTrimmed, kTooFar, kDisabled, kRevoked };

// A log that the client now follows, or asked to.
struct LogState {
  std::string log;    // the stream, or "@user"
  wire::Position at;  // where the client stands: what it gets next comes after it. No epoch: there is no log
  uint64_t top = 0;   // the newest message's offset
  Recovered recovered = Recovered::kNotAsked;
};

struct UserInfo {
  std::string_view id;
  std::string_view name;
  std::span<const std::string> roles;
};

// The first message of a session.
struct Welcome {
  RequestId id;  // of the first frame that brought the token; else nothing
  std::string session;
  std::optional<UserInfo> user;  // nothing: anonymous
  std::vector<std::string> streams;
  std::vector<RefusedStream> refused;
  std::vector<LogState> logs;
  std::string resume;  // what the client shows when it comes back
  int64_t ping_interval_ms = 0;
  int64_t peer_timeout_ms = 0;
  uint64_t max_message_bytes = 0;
  uint32_t max_subscriptions = 0;
  int64_t server_time_ms = 0;
};
struct Subscribed {
  RequestId id;
  std::vector<std::string> streams;
  std::vector<RefusedStream> refused;
  std::vector<LogState> logs;
};
struct Unsubscribed {
  RequestId id;
  std::vector<std::string> streams;
};
// What the client listens to, and where it stands there.
struct SyncState {
  RequestId id;
  std::vector<std::string> streams;
  std::vector<LogState> logs;
  int64_t server_time_ms = 0;
};
// A message was published. Only said where the request had an id.
struct PublishDone {
  RequestId id;
  std::string stream;                      // empty: backends get it, as a client event
  std::string message_id;                  // empty: a backend took it, and there is no message
  std::optional<wire::Position> position;  // where a log keeps it
};
// What a backend answers to an event.
struct Answer {
  RequestId id;
  std::string event;  // the one that it answers
  std::string json;
};
struct Members {
  RequestId id;
  std::string stream;
  size_t count = 0;          // of all
  bool counts_only = false;  // they are too many to be told one by one
  std::vector<wire::Member> members;
  std::string next;  // ask for those after this one; empty: that was all
};
struct MoodSet {
  RequestId id;
  std::vector<std::string> streams;
};
struct Pong {
  RequestId id;
  std::string echo;
};
struct Authenticated {
  RequestId id;
  UserInfo user;
  std::vector<std::string> streams;
  std::vector<RefusedStream> refused;
  std::vector<LogState> logs;
};
struct Error {
  RequestId id;
  Refusal why;
};
// The session's token will soon be none: a new one for the same user, as Auth, keeps the session.
struct TokenExpiring {
  int64_t expires_in_ms = 0;
};
// The gateway is about to close: come back after retry_after_ms.
struct Restart {
  uint32_t retry_after_ms = 0;
};

using Reply = std::variant<Welcome, Subscribed, Unsubscribed, SyncState, PublishDone, Answer, Members, MoodSet, Pong,
                           Authenticated, Error, TokenExpiring, Restart, wire::Skip>;

// --- The language itself ---------------------------------------------------------------------------------------------

class Dialect {
 public:
  virtual ~Dialect() = default;

  // What a whole message from a client means. Never fails: what cannot be understood is Nonsense or Refused. The
  // command may borrow from `payload`.
  virtual Command Parse(wire::Opcode opcode, std::string_view payload) const = 0;

  // Appends a reply as whole WebSocket frames; nothing where the dialect has no word for it.
  virtual void AppendReply(std::string& out, const Reply& reply) const = 0;

  // The shared encoding of published messages, and how it is made.
  virtual wire::Encoding encoding() const = 0;
  virtual wire::Frame::Encode encode() const = 0;

  // True where a session may subscribe and be published to.
  virtual bool receives_broadcasts() const = 0;
};

// The dialects that there are; they live as long as the program.
const Dialect& Native();
const Dialect& EchoBack();

}  // namespace carillon::dialect
