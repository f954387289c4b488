#pragma once

#include "control/control_service.h"

namespace grpc {
template <class Request, class Response>
class ServerBidiReactor;
}

namespace carillon::control {

// One PublishStream call; it deletes itself when gRPC is done with it. `admitted` is what the caller's check said: not
// OK ends the call at once.
grpc::ServerBidiReactor<v1::PublishStreamRequest, v1::PublishStreamResponse>* MakePublishStream(ControlContext& context,
                                                                                                const Status& admitted);

}  // namespace carillon::control
