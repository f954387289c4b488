#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "tools/cli/connection.h"

namespace carillon::cli {

// A line for a shell that makes the same call with grpcurl. The key stands in it as $KEY.
std::string GrpcurlLine(const Connection& connection, const google::protobuf::Message& request);

}  // namespace carillon::cli
