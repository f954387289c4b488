#pragma once

#include "gateway/auth/api_keys.h"
#include "gateway/base/status.h"

namespace grpc {
class ServerContextBase;
}

namespace carillon::control {

// Whether a caller may: reads "authorization: Bearer KEY" from the call's metadata. UNAUTHENTICATED says the same
// whatever is wrong with the key, so that nothing can be learnt by trying. Any thread.
Status CheckCaller(const grpc::ServerContextBase& context, const auth::LiveApiKeys& keys, auth::Verb verb);

// The same for calls that any key may make.
Status CheckCaller(const grpc::ServerContextBase& context, const auth::LiveApiKeys& keys);

// What the configuration calls the caller's key, for logs; empty without keys.
std::string CallerName(const grpc::ServerContextBase& context, const auth::LiveApiKeys& keys);

}  // namespace carillon::control
