#pragma once

#include <string>
#include <vector>

#include "tools/cli/remote.h"

// What "carillon doctor" looks at, one check after another.
namespace carillon::cli {

struct Check {
  enum class Result { kGood, kBad, kNote };  // a note is worth knowing, and not wrong

  std::string name;
  Result result = Result::kGood;
  std::string said;
  std::string advice;  // of what is bad
};

using Checks = std::vector<Check>;

// The gateway: is it reached, in plain text or TLS as it should be; does it serve; what may the key do; reflection; its
// clock; its version. Ends where there is no use in going on.
Checks CheckGateway(const Remote& remote);

// This machine and a configuration file: is the file good, are there files enough for its connections, are its ports
// free, which pages may connect. `answers`: the gateway was reached, so that its ports may be taken.
Checks CheckMachine(const std::string& config_file, bool answers);

}  // namespace carillon::cli
