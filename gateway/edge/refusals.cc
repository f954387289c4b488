#include "gateway/edge/refusals.h"

#include <algorithm>

#include "gateway/hub/shard.h"

namespace carillon::edge {

void Refuse(hub::Session& session, const dialect::RequestId& id, dialect::Refusal why) {
  session.Reply(dialect::Error{id, std::move(why)});
}

dialect::Refusal Forbidden(const auth::Identity* identity) {
  return {"forbidden", identity == nullptr ? "this session may not; one with a token might" : "this session may not"};
}

dialect::Refusal Reserved() {
  return {"stream_reserved", "this stream is reserved for later"};
}

dialect::Refusal TooFast(hub::Session& session, std::string message, std::chrono::milliseconds wait) {
  session.shard().stats().rate_limited.Add();
  return {"rate_limited", std::move(message), true, static_cast<uint32_t>(std::max<int64_t>(1, wait.count()))};
}

}  // namespace carillon::edge
