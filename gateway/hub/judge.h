#pragma once

#include <optional>

#include "gateway/hub/session.h"
#include "gateway/wire/filter.h"
#include "gateway/wire/skip.h"

namespace carillon::hub {

// Why a message is not for a session; nothing where it is. `filter` is the session's own, or null.
std::optional<wire::SkipReason> WhyNot(const wire::Frame& frame, const Session& session, const wire::Filter* filter,
                                       wire::WallClock::time_point now);

}  // namespace carillon::hub
