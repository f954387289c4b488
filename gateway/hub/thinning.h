#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "gateway/hub/outbox.h"
#include "gateway/wire/skip.h"

// How messages leave a session's queue before they are written, and how the client is told.
namespace carillon::hub {

// The bytes of a skip marker, in the session's dialect; may be empty where that has none.
using MakeSkip = absl::FunctionRef<std::string(const wire::Skip&)>;

// What each of these took out. A marker stands in the queue where the first of a log's missing messages stood, and one
// at the end where its last is missing too: each log has at most these two that are not written yet.
using Thinned = wire::SkipCounts;

// Of each conflation key only the newest message stays.
Thinned Conflate(Outbox& outbox, MakeSkip make);

// What may not be delivered any more goes.
Thinned DropStale(Outbox& outbox, wire::WallClock::time_point now, MakeSkip make);

// The oldest droppable messages go, of the topic first, until so much is gone; of other topics where `others` is true.
// Those of streams that conflate go for their bytes only: how many there may be, their keys say.
Thinned DropOldest(Outbox& outbox, const wire::TopicView& topic, bool others, size_t messages, size_t bytes,
                   MakeSkip make);

}  // namespace carillon::hub
