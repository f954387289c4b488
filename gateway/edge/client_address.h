#pragma once

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <optional>
#include <string>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/edge/http_head.h"

namespace carillon::edge {

using Address = boost::asio::ip::address;

// Peers that may say whose connection they carry on. Immutable; any thread.
class TrustedProxies {
 public:
  // Addresses and networks: 10.0.0.7, 10.0.0.0/8, fd00::/8. INVALID_ARGUMENT quotes the one that is none.
  static StatusOr<TrustedProxies> Parse(const std::vector<std::string>& entries);

  bool Contains(const Address& address) const;

 private:
  std::vector<boost::asio::ip::network_v4> v4_;
  std::vector<boost::asio::ip::network_v6> v6_;
};

// An IPv4 address that came in IPv6's clothes (::ffff:a.b.c.d) as what it is.
Address Plain(const Address& address);

// What logs may show of an address: its network, /24 or /48.
std::string NetworkOf(const Address& address);

// Whose connection it is: the peer's, or, where that is a trusted proxy, the right-most address of X-Forwarded-For that
// is not one. What stands left of it, anybody may have written. Where it says nothing that can be read, the proxy's.
Address ClientAddress(const Address& peer, const HttpRequest& request, const TrustedProxies& proxies);

}  // namespace carillon::edge
