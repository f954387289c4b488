#pragma once

#include <cstdint>
#include <string_view>

#include "carillon/v1/envelope.pb.h"
#include "gateway/base/status.h"
#include "gateway/wire/position.h"

// What several requests have in common. Errors are INVALID_ARGUMENT naming the field. Pure; any thread.
namespace carillon::control {

// The status, of a field.
Status Prefixed(std::string_view field, const Status& status);

Status CheckStream(std::string_view field, std::string_view stream);
Status CheckUser(std::string_view field, std::string_view user);
Status CheckSession(std::string_view field, std::string_view id);

Status ReadPosition(std::string_view field, const v1::Position& position, wire::Position* out);

// 100 where none is wanted, at most 1,000.
StatusOr<size_t> ReadPageSize(int32_t wanted);

}  // namespace carillon::control
