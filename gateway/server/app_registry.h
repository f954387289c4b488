#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "carillon/v1/config.pb.h"
#include "gateway/auth/app.h"
#include "gateway/server/config_loader.h"

namespace carillon::server {

// The apps that this process has known. Each keeps its number, its verifier and its schemas for good, also while no
// configuration names it: nobody else gets its topics, and who was kept out of it stays kept out. Thread: one, but for
// Collect's writer.
class AppRegistry {
 public:
  // Why the apps of a configuration have no room beside those that were known, or OK.
  Status CheckRoom(const v1::Config& config) const;

  // The apps of a configuration that is checked. Their tokens are judged by its rules from here on.
  auth::Apps Build(const LoadedConfig& loaded);

  // Those that were there before the last Build and are not any more.
  const std::vector<wire::AppId>& gone() const { return gone_; }

  // Forgets denials that are over.
  void Sweep(std::chrono::system_clock::time_point now);

  // Fetches no keys any more, and lets go of those who wait.
  void Stop();

  void Collect(MetricsWriter& writer) const;

 private:
  struct Known {
    wire::AppId id;
    std::shared_ptr<auth::Verifier> tokens;
    std::shared_ptr<schema::Registry> schemas = std::make_shared<schema::Registry>();
    bool there = false;
  };

  Known& Know(const std::string& name, const auth::TokenRules& rules);

  std::map<std::string, Known> known_;
  std::vector<wire::AppId> gone_;
};

}  // namespace carillon::server
