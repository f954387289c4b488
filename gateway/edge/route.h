#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/auth/app.h"
#include "gateway/edge/handshake.h"

// Where a request wants to go: to an endpoint, and to an app.
namespace carillon::edge {

struct Route {
  const EndpointRules* endpoint = nullptr;  // null: there is nothing at that path
  const auth::App* app = nullptr;           // null: there is no such app; `wanted` is what it called it
  std::string wanted;
  std::string stream;  // that the path names
};

// The app is what the path says (/app/KEY, before the path of an endpoint or alone: the first one), else that of the
// endpoint, else the label of the host under `domain`, else the default one. A name that is no app is never taken for
// another. `host` is the Host header; `domain` may be empty.
Route FindRoute(const std::vector<EndpointRules>& endpoints, const auth::Apps& apps, std::string_view domain,
                std::string_view path, std::string_view host);

// The endpoint of a path, and the stream that the path names (PATH/{stream}); null where there is none.
const EndpointRules* FindEndpoint(const std::vector<EndpointRules>& endpoints, std::string_view path,
                                  std::string* stream);

}  // namespace carillon::edge
