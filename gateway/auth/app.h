#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "gateway/auth/catalogue.h"
#include "gateway/auth/client_events.h"
#include "gateway/auth/origin.h"
#include "gateway/auth/verifier.h"
#include "gateway/base/live.h"
#include "gateway/base/string_map.h"
#include "gateway/schema/registry.h"
#include "gateway/wire/topic.h"

namespace carillon::auth {

// Who a client is, asked of a backend (config: auth.hook).
struct HookRules {
  std::string backend;               // empty: nobody is asked
  std::vector<std::string> cookies;  // that it is shown
  std::vector<std::string> headers;  // in lower case
  std::chrono::milliseconds lifetime{3'600'000};
};

// One tenant: who may connect to it, and how much of the gateway it may use. Immutable but for its verifier
// and its schemas, which outlive it: loaded again, the configuration describes the app anew, and who is kept out of it
// stays kept out, as what backends registered stays registered.
struct App {
  wire::AppId id = wire::kDefaultApp;
  std::string name{wire::kDefaultAppName};
  std::string key{wire::kDefaultAppName};  // in the path, /app/{key}
  OriginRules origins;
  std::shared_ptr<Verifier> tokens;
  std::string cookie;  // that may carry a token; empty: none
  HookRules hook;
  uint32_t connections = 0;           // the most; 0: any number, as for those below
  uint32_t connections_per_user = 0;  // sessions
  uint32_t max_streams = 0;           // with subscribers
  bool fold_names = false;            // streams are named in lower case, however they are written
  Catalogue catalogue;                // who may do what with its streams
  ClientEvents client_events;         // and what becomes of what is said to none of them
  std::shared_ptr<schema::Registry> schemas = std::make_shared<schema::Registry>();  // what payloads must be

  bool is_default() const { return id == wire::kDefaultApp; }

  // The stream that somebody means who writes it so. To be asked before anything else is done with the name.
  std::string StreamNamed(std::string written) const {
    if (fold_names) wire::FoldName(&written);
    return written;
  }
};

// The apps that there are, the default one always. Immutable; what Find returns lives as long as this.
class Apps {
 public:
  // INVARIANT: the default app is the first.
  explicit Apps(std::vector<App> apps);

  const App& Default() const { return apps_.front(); }

  // Null where there is none.
  const App* Find(wire::AppId id) const;
  const App* FindByName(std::string_view name) const;
  const App* FindByKey(std::string_view key) const;

  const std::vector<App>& all() const { return apps_; }

 private:
  std::vector<App> apps_;
  absl::flat_hash_map<wire::AppId, size_t> by_id_;
  StringMap<size_t> by_name_;
  StringMap<size_t> by_key_;
};

using LiveApps = Live<Apps>;

}  // namespace carillon::auth
