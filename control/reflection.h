#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gateway/auth/api_keys.h"

namespace grpc {
class Service;
}

namespace carillon::control {

// Server reflection, in the version that tools use today (v1) and the one that gRPC 1.51 knew (v1alpha). Ours, because
// the library's own has only the old version and no way to ask for a key (docs/adr/0005). Any key may call it. The keys
// outlive the services. Thread: gRPC's.
std::vector<std::unique_ptr<grpc::Service>> MakeReflectionServices(const auth::LiveApiKeys& keys,
                                                                   std::vector<std::string> service_names);

}  // namespace carillon::control
