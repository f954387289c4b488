#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "gateway/base/ids.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/topic.h"

namespace carillon::hub {

class Session;
class Shard;

// Whether an event is taken for what it is called, "auth" in any case: of its payload nothing is shown.
bool IsSecretEvent(std::string_view event);

// What a client said, as far as somebody else may see it: what a dialect made of it, without tokens.
struct Said {
  std::string action;  // "publish"
  std::string stream;
  std::string event;
  std::string json;     // the payload; empty: none, or none that may be seen
  size_t bytes = 0;     // of the whole message
  bool secret = false;  // of what it says, nothing is shown
};

// One thing that went by.
struct Tapped {
  wire::WallClock::time_point time;
  std::optional<SessionId> session;  // nothing: it went to a stream
  // One of these.
  wire::FramePtr frame;  // to the stream
  std::string bytes;     // to the session: whole WebSocket frames
  std::optional<Said> said;
};

// What an operator sees of a stream, a session or a user's sessions: shards put in what goes by, a call takes it out.
// It is bounded: what does not fit is counted and lost, and nobody waits for its reader. Any thread.
class Tap {
 public:
  static constexpr size_t kMostFrames = 1024;
  static constexpr size_t kMostBytes = 2 << 20;

  struct Sample {
    uint32_t every = 1;       // of so many, the first
    uint32_t per_second = 0;  // at most; 0: any number
  };

  // INVARIANT: the topic is a stream, a session or a user.
  Tap(wire::Topic topic, Sample sample) : topic_(std::move(topic)), sample_(sample) {
    if (topic_.kind == wire::TopicKind::kSession) session_ = SessionId::Parse(topic_.name);
  }

  const wire::Topic& topic() const { return topic_; }

  // Whether it is about this session. Thread: the session's.
  bool Takes(const Session& session) const;

  void Offer(const wire::FramePtr& frame);
  void Offer(const SessionId& session, std::string_view bytes);
  void Offer(const SessionId& session, const Said& said);

  // The session is gone.
  void End();

  struct Taken {
    std::vector<Tapped> frames;
    uint64_t left_out = 0;  // by the sample, since the last time
    uint64_t lost = 0;      // for which there was no room
    bool more = false;
    bool ended = false;
  };
  // At most so many, and not much more than so many bytes.
  Taken Take(size_t most, size_t bytes);

 private:
  template <class Fill>
  void Add(size_t bytes, const Fill& fill);
  bool IsLeftOut(wire::WallClock::time_point now);

  const wire::Topic topic_;
  const Sample sample_;
  std::optional<SessionId> session_;

  std::mutex mutex_;
  std::vector<Tapped> frames_;
  size_t first_ = 0;  // of `frames_`, that was not taken
  size_t bytes_ = 0;  // that wait
  uint64_t seen_ = 0;
  uint64_t left_out_ = 0;
  uint64_t lost_ = 0;
  std::chrono::seconds second_{0};
  uint32_t this_second_ = 0;
  bool ended_ = false;
};

// The taps of a shard, on its thread.

// What goes by from here on is seen. Returns how many sessions of the shard the tap is about.
size_t Attach(Shard& shard, std::shared_ptr<Tap> tap);
void Detach(Shard& shard, const Tap& tap);

// Who the session is, is known now.
void SettleTaps(Session& session);

// Of a session that is tapped: what it is given to read (whole WebSocket frames), what it says; and that it is gone.
void TapGiven(const Session& session, std::string_view bytes);
void TapSaid(const Session& session, const Said& said);
void TapGone(const Session& session);

}  // namespace carillon::hub
