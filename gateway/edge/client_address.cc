#include "gateway/edge/client_address.h"

#include <algorithm>
#include <boost/asio/ip/address_v6.hpp>

namespace carillon::edge {
namespace {

namespace ip = boost::asio::ip;

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// 1.2.3.4, 1.2.3.4:567, ::1, [::1] or [::1]:567.
std::optional<Address> ParseHop(std::string_view text) {
  if (text.starts_with('[')) {
    text = text.substr(1, text.find(']') - 1);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    text = text.substr(0, text.find(':'));
  }
  boost::system::error_code error;
  Address address = ip::make_address(std::string(text), error);
  if (error || text.find('%') != std::string_view::npos) return std::nullopt;
  return Plain(address);
}

}  // namespace

Address Plain(const Address& address) {
  if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return address;
  return ip::make_address_v4(ip::v4_mapped, address.to_v6());
}

StatusOr<TrustedProxies> TrustedProxies::Parse(const std::vector<std::string>& entries) {
  TrustedProxies proxies;
  for (const std::string& entry : entries) {
    bool network = entry.find('/') != std::string::npos;
    boost::system::error_code no_v4;
    boost::system::error_code no_v6;
    auto v4 = ip::make_network_v4(network ? entry : entry + "/32", no_v4);
    if (!no_v4) {
      proxies.v4_.push_back(v4.canonical());
      continue;
    }
    auto v6 = ip::make_network_v6(network ? entry : entry + "/128", no_v6);
    if (no_v6) {
      return InvalidArgument("\"{}\" is neither an address nor a network, such as 10.0.0.7, 10.0.0.0/8 or fd00::/8",
                             entry);
    }
    proxies.v6_.push_back(v6.canonical());
  }
  return proxies;
}

bool TrustedProxies::Contains(const Address& address) const {
  if (address.is_v4()) {
    return std::any_of(v4_.begin(), v4_.end(), [&](const ip::network_v4& network) {
      return ip::network_v4(address.to_v4(), network.prefix_length()).canonical() == network;
    });
  }
  return std::any_of(v6_.begin(), v6_.end(), [&](const ip::network_v6& network) {
    return ip::network_v6(address.to_v6(), network.prefix_length()).canonical() == network;
  });
}

std::string NetworkOf(const Address& address) {
  Address plain = Plain(address);
  if (plain.is_v4()) {
    auto bytes = plain.to_v4().to_bytes();
    return fmt::format("{}.{}.{}.0/24", bytes[0], bytes[1], bytes[2]);
  }
  constexpr size_t kShown = 6;
  auto bytes = plain.to_v6().to_bytes();
  std::fill(bytes.begin() + kShown, bytes.end(), 0);
  return ip::address_v6(bytes).to_string() + "/48";
}

Address ClientAddress(const Address& peer, const HttpRequest& request, const TrustedProxies& proxies) {
  Address client = Plain(peer);
  if (!proxies.Contains(client)) return client;
  for (auto header = request.headers.rbegin(); header != request.headers.rend(); ++header) {
    if (header->first != "x-forwarded-for") continue;
    std::string_view hops = header->second;
    while (!hops.empty()) {
      size_t comma = hops.rfind(',');
      std::string_view last = Trim(comma == std::string_view::npos ? hops : hops.substr(comma + 1));
      hops = comma == std::string_view::npos ? std::string_view() : hops.substr(0, comma);
      std::optional<Address> hop = ParseHop(last);
      if (!hop.has_value()) return client;
      client = *hop;
      if (!proxies.Contains(client)) return client;
    }
  }
  return client;
}

}  // namespace carillon::edge
