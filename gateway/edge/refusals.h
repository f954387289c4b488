#pragma once

#include <chrono>
#include <string>

#include "gateway/auth/identity.h"
#include "gateway/dialect/dialect.h"
#include "gateway/hub/session.h"

// How a session is told no. Thread: its shard's.
namespace carillon::edge {

void Refuse(hub::Session& session, const dialect::RequestId& id, dialect::Refusal why);

// The same whether there is such a stream or not; `identity` is null where a token might help.
dialect::Refusal Forbidden(const auth::Identity* identity);

dialect::Refusal Reserved();

// Counts what is dropped because it comes too fast; `wait` is how long until it would not.
dialect::Refusal TooFast(hub::Session& session, std::string message, std::chrono::milliseconds wait);

}  // namespace carillon::edge
