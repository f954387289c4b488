#pragma once

#include <vector>

#include "gateway/engine/recovery.h"
#include "gateway/engine/stream_rules.h"
#include "gateway/wire/filter.h"
#include "gateway/wire/skip.h"

namespace carillon::hub {

// What a session's subscription needs beyond being one. Most need nothing, and have none of these.
struct StreamState {
  wire::Filter filter;
  wire::Skip owed;  // what the client has not been told yet; without counts: nothing

  // Catching up: messages of the log that the session is still to be given, before it hears new ones.
  bool catching_up = false;
  wire::Position at;  // where it stands
  std::vector<wire::FramePtr> frames;
  size_t next = 0;  // in `frames`
  engine::SlowPolicy slow = engine::SlowPolicy::kDisconnect;

  bool needed() const { return !filter.empty() || !owed.counts.none() || catching_up; }
};

// From where a session wants to hear a stream, and what of it.
struct SubscribeWish {
  engine::Since since;
  wire::Filter filter;
};

struct SubscribeAnswer {
  bool fresh = false;  // else the session listened already, and goes on as it did
  engine::Recovery recovery = engine::Recovery::kNotAsked;
  // Where the client stands now, and the log. Without an epoch: there is no log, or the subscription is not fresh.
  wire::Position at;
  wire::Position top;
};

}  // namespace carillon::hub
