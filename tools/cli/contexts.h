#pragma once

#include <map>
#include <string>

#include "gateway/base/status.h"

// Gateways by name, kept in a file of the user: $XDG_CONFIG_HOME/carillon/contexts.yaml, or ~/.config/carillon/….
namespace carillon::cli {

// What is known of a gateway, by the names in kConnectionSettings.
using Settings = std::map<std::string, std::string>;

struct Contexts {
  std::string selected;  // empty: none
  std::map<std::string, Settings> all;
};

// Where they are kept. FAILED_PRECONDITION: there is no home.
StatusOr<std::string> ContextsFile();

// None where there is no file, or no home to keep it in.
StatusOr<Contexts> ReadContexts();

// Replaces the file as a whole, readable to its owner alone.
Status WriteContexts(const Contexts& contexts);

}  // namespace carillon::cli
