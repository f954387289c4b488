#pragma once

#include "control/control_service.h"

namespace grpc {
class CallbackServerContext;
template <class Request, class Response>
class ServerBidiReactor;
}  // namespace grpc

namespace carillon::control {

// One PublishStream call; it deletes itself when gRPC is done with it. `admitted` is what the caller's check said: not
// OK ends the call at once. The key is checked again when the keys have changed.
grpc::ServerBidiReactor<v1::PublishStreamRequest, v1::PublishStreamResponse>* MakePublishStream(
    ControlContext& context, const grpc::CallbackServerContext* call, const Status& admitted);

}  // namespace carillon::control
