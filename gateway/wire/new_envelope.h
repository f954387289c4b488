#pragma once

#include <string>
#include <string_view>

#include "carillon/v1/envelope.pb.h"
#include "gateway/wire/terms.h"

namespace carillon::wire {

// Unique to the process and unpredictable across processes. Any thread.
std::string NewMessageId();

// A message of this moment, without a payload. Any thread.
v1::Envelope NewEnvelope(std::string_view stream, std::string_view event, WallClock::time_point now);

}  // namespace carillon::wire
