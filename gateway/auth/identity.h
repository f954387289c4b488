#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace carillon::auth {

// Who is behind a session, as its token says. Immutable and shared; a null pointer is an anonymous session.
struct Identity {
  std::string user_id;                        // "sub"
  std::string name;                           // "name"; may be empty
  std::vector<std::string> roles;             // "roles"
  std::map<std::string, std::string> labels;  // "labels": what Subscribers shows of the session
  std::vector<std::string> streams;           // "streams": subscribed at connect
  std::chrono::system_clock::time_point expires_at;
};
using IdentityPtr = std::shared_ptr<const Identity>;

}  // namespace carillon::auth
