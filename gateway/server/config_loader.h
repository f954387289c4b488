#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "carillon/v1/config.pb.h"
#include "gateway/auth/jwt.h"
#include "gateway/base/status.h"
#include "gateway/edge/tls.h"
#include "gateway/hooks/backend.h"
#include "gateway/schema/registry.h"

namespace carillon::server {

// Where a configuration comes from.
struct ConfigSources {
  std::string file_name;  // for messages; empty: no file
  std::string file_text;
  std::map<std::string, std::string> environment;  // CARILLON_… only
  std::map<std::string, std::string> flags;        // by setting's path
  bool to_serve = true;                            // else it need not do for a gateway that somebody can connect to
};

struct LoadedConfig {
  v1::Config config;
  auth::TokenRules tokens;                      // of config.auth, with the keys that its files held
  std::vector<auth::TokenRules> app_tokens;     // those of config.apps, one each
  schema::Configured schemas;                   // of config.schemas, with what its files held
  std::vector<schema::Configured> app_schemas;  // those of config.apps, one each
  std::vector<hooks::BackendRules> backends;    // of config.hooks, with what their files held
  edge::TlsContextPtr tls;                      // of config.edge.tls; null: none
  std::vector<std::string> warnings;
};

// How clients of an app are known, and by which rules their tokens are judged.
struct AppAuth {
  const v1::AuthConfig* config;
  const auth::TokenRules* tokens;
};
// Nothing where there is no app of that name; empty: the default one.
std::optional<AppAuth> AuthOf(const LoadedConfig& loaded, const std::string& app);

// Merges flag over environment over file over default, and checks everything. The error holds every problem, one a
// line, each with its place: file:line:column, the variable or the flag. Reads no files but those that ..._FILE
// variables, the keys of auth and TLS name.
StatusOr<LoadedConfig> LoadConfig(const ConfigSources& sources);

// The process's own sources: the file at `path` (or none), and its environment.
StatusOr<ConfigSources> GatherSources(const std::string& path, std::map<std::string, std::string> flags);

}  // namespace carillon::server
