#pragma once

#include <string>

#include "gateway/edge/command_handler.h"
#include "gateway/edge/frame_layer.h"
#include "gateway/edge/handshake.h"
#include "gateway/hub/shard.h"

namespace carillon::edge {

// Turns an admitted request into a WebSocket session on the shard, which then lives by itself until its client goes,
// is closed, or the shard stops. `unread` is what the client sent after its request.
// Thread: the shard's. The handler must outlive the shard's thread.
void BeginWsSession(hub::Shard& shard, const CommandHandler& handler, Link link, std::string unread,
                    const Admission& admission);

}  // namespace carillon::edge
