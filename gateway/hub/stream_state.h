#pragma once

#include <vector>

#include "gateway/engine/recovery.h"
#include "gateway/engine/stream_rules.h"
#include "gateway/wire/filter.h"
#include "gateway/wire/skip.h"

namespace carillon::hub {

// What a session's subscription needs beyond being one. Most need nothing, and have none of these.
struct StreamState {
  wire::FilterPtr filter;
  // What the client has not been told yet; without counts: nothing. Of messages that no log keeps, there is no position
  // to tell.
  wire::Skip owed;
  wire::Skip owed_unlogged;

  // Catching up: messages of the log that the session is still to be given, before it hears new ones.
  bool catching_up = false;
  wire::Position at;  // where it stands
  std::vector<wire::FramePtr> frames;
  size_t next = 0;  // in `frames`
  // It has caught up, but what still waits in the mailbox up to here it has been given from the log. 0: nothing.
  uint64_t live_after = 0;
  engine::SlowPolicy slow = engine::SlowPolicy::kDisconnect;

  bool owes() const { return !owed.counts.none() || !owed_unlogged.counts.none(); }
  bool needed() const { return filter != nullptr || owes() || catching_up || live_after > 0; }
};

// From where a session wants to hear a stream, and what of it.
struct SubscribeWish {
  engine::Since since;
  wire::FilterPtr filter;  // null: everything
};

struct SubscribeAnswer {
  bool fresh = false;  // else the session listened already, and goes on: with the filter that it now wants
  engine::Recovery recovery = engine::Recovery::kNotAsked;
  // Where the client stands now, and the log. Without an epoch: there is no log, or the subscription is not fresh.
  wire::Position at;
  wire::Position top;
  uint32_t sessions = 0;  // that listen, with this one; 0: it is not fresh
};

}  // namespace carillon::hub
