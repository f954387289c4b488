#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"

namespace carillon::auth {

// Which web pages may connect (RFC 6454). Always: pages of the gateway's own host and pages on loopback. Besides: exact
// origins, "*.example.com" for every name below example.com under any scheme and default port, and "*" for everyone.
// Compared as parsed values: scheme, host, port.
class OriginRules {
 public:
  // INVALID_ARGUMENT names an entry that is no origin.
  static StatusOr<OriginRules> Parse(const std::vector<std::string>& allowed);

  // Whether a page may connect. `origin` is the Origin header, empty where there was none (API clients, same-origin
  // requests); `host` is the Host header.
  bool Allows(std::string_view origin, std::string_view host) const;

 private:
  struct Exact {
    std::string scheme;
    std::string host;
    uint16_t port;
  };

  bool all_ = false;
  std::vector<Exact> exact_;
  std::vector<std::string> suffixes_;  // ".example.com"
};

// True for localhost, 127.0.0.0/8 and ::1, with or without brackets.
bool IsLoopbackHost(std::string_view host);

}  // namespace carillon::auth
