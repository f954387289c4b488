#pragma once

#include <functional>
#include <string>
#include <vector>

#include "carillon/v1/config.pb.h"
#include "gateway/edge/tls.h"

namespace carillon::server {

using TlsProblem = std::function<void(const std::string& path, const std::string& message)>;

// What the edge speaks TLS with; null where it does not. Reads the files; calls `problem` with the path of each setting
// that is wrong, and why. A certificate that has ended, or soon will, is a warning.
edge::TlsContextPtr TlsOf(const v1::EdgeTls& config, const TlsProblem& problem, std::vector<std::string>* warnings);

// The same for the control plane, whose files gRPC reads itself.
void CheckControlTls(const v1::ControlTls& config, const TlsProblem& problem, std::vector<std::string>* warnings);

}  // namespace carillon::server
