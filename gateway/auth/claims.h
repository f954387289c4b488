#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <string>
#include <vector>

#include "gateway/auth/identity.h"
#include "gateway/base/status.h"

namespace carillon::auth {

// Which claims say who a user is. A claim is named as it stands in the token (https://example.com/roles), or by its
// path (realm_access.roles).
struct ClaimRules {
  std::string user = "sub";
  std::string name = "name";
  std::string info;  // any JSON; empty: there is none
  std::string roles = "roles";
  std::string streams = "streams";
  std::string stream = "stream";              // of a token for one stream; empty: there are none
  std::map<std::string, std::string> labels;  // each label's claim, besides those in the claim "labels"
  bool fold_names = false;                    // streams are named in lower case (config: fold_names)
  std::vector<std::string> subscribe;         // Expand patterns of streams that a session is subscribed to at connect
};

// The identity that claims describe, but for its times; UNAUTHENTICATED with the claim that is missing or not what it
// should be.
StatusOr<Identity> IdentityOf(const boost::json::object& claims, const ClaimRules& rules);

// A list of at most 100 strings of at most 256 bytes; one string counts as a list of one, null as none.
StatusOr<std::vector<std::string>> ListClaim(const boost::json::object& claims, const std::string& name);

}  // namespace carillon::auth
