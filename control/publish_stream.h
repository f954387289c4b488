#pragma once

#include "control/control_service.h"

namespace grpc {
class CallbackServerContext;
template <class Request, class Response>
class ServerBidiReactor;
}  // namespace grpc

namespace carillon::control {

// One PublishStream call; it deletes itself when gRPC is done with it. `caller` is what its check said: not OK
// ends the call at once. It is checked again with each request: keys and apps may have changed.
grpc::ServerBidiReactor<v1::PublishStreamRequest, v1::PublishStreamResponse>* MakePublishStream(
    ControlContext& context, const grpc::CallbackServerContext* call, StatusOr<std::unique_ptr<const Caller>> caller);

}  // namespace carillon::control
