#pragma once

#include <boost/json/object.hpp>
#include <optional>

#include "gateway/dialect/dialect.h"

namespace carillon::dialect {

// Reads what users say of themselves: {"status":"away","text":"lunch"}. Returns what is wrong with it.
std::optional<Refusal> ReadMood(const boost::json::object& object, wire::Mood* mood);

}  // namespace carillon::dialect
