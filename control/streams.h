#pragma once

#include "carillon/v1/admin.pb.h"
#include "control/caller.h"
#include "gateway/hub/node.h"

// ListStreams and GetStream. Thread: any.
namespace carillon::control {

Status ListStreams(const hub::Node& node, const Caller& caller, const v1::ListStreamsRequest& request,
                   v1::ListStreamsResponse* response);

Status GetStream(hub::Node& node, const Caller& caller, const v1::GetStreamRequest& request,
                 v1::GetStreamResponse* response);

}  // namespace carillon::control
