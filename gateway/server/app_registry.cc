#include "gateway/server/app_registry.h"

#include <algorithm>

#include "gateway/base/check.h"
#include "gateway/server/build_options.h"
#include "gateway/server/schema_files.h"

namespace carillon::server {
namespace {

auth::OriginRules OriginsOf(const google::protobuf::RepeatedPtrField<std::string>& allowed) {
  auto origins = auth::OriginRules::Parse({allowed.begin(), allowed.end()});
  CARILLON_CHECK(origins.ok());  // CheckRules looked
  return *std::move(origins);
}

}  // namespace

Status AppRegistry::CheckRoom(const v1::Config& config) const {
  size_t more = static_cast<size_t>(std::count_if(config.apps().begin(), config.apps().end(),
                                                  [this](const auto& app) { return !known_.contains(app.name()); }));
  if (known_.size() + more <= wire::kMaxApps) return absl::OkStatus();
  return InvalidArgument("apps: a process knows at most {} in its life: restart", wire::kMaxApps);
}

AppRegistry::Known& AppRegistry::Know(const std::string& name, const auth::TokenRules& rules) {
  auto it = known_.find(name);
  if (it == known_.end()) {
    auto id = static_cast<wire::AppId>(known_.size());
    CARILLON_CHECK(id < wire::kMaxApps);
    it = known_.emplace(name, Known{id, std::make_shared<auth::Verifier>(rules)}).first;
  } else {
    it->second.tokens->SetRules(rules);
  }
  it->second.there = true;
  return it->second;
}

auth::Apps AppRegistry::Build(const LoadedConfig& loaded) {
  std::vector<wire::AppId> before;
  for (auto& [name, known] : known_) {
    if (std::exchange(known.there, false)) before.push_back(known.id);
  }
  const v1::Config& config = loaded.config;
  std::vector<auth::App> apps;
  auth::App& first = apps.emplace_back();
  Known& known = Know(first.name, loaded.tokens);  // the first of all, so that it is number 0
  first.id = known.id;
  first.tokens = known.tokens;
  first.schemas = known.schemas;
  first.schemas->Configure(loaded.schemas, SchemaLimitsOf(config.limits()));
  first.origins = OriginsOf(config.edge().allowed_origins());
  first.cookie = config.auth().cookie();
  first.hook = HookRulesOf(config.auth().hook());
  first.connections_per_user = config.limits().connections_per_user();
  first.max_streams = config.limits().streams();
  first.fold_names = config.fold_names();
  first.catalogue = CatalogueOf(config.streams(), config.limits().max_publish_bytes());
  first.client_events = ClientEventsOf(config.client_events(), config.limits().max_publish_bytes());
  for (int i = 0; i < config.apps_size(); ++i) {
    const v1::AppConfig& from = config.apps(i);
    Known& other = Know(from.name(), loaded.app_tokens[static_cast<size_t>(i)]);
    auth::App& app = apps.emplace_back();
    app.id = other.id;
    app.name = from.name();
    app.key = from.key().empty() ? from.name() : from.key();
    app.origins = OriginsOf(from.allowed_origins());
    app.tokens = other.tokens;
    app.schemas = other.schemas;
    app.schemas->Configure(loaded.app_schemas[static_cast<size_t>(i)], SchemaLimitsOf(config.limits()));
    app.cookie = from.auth().cookie();
    app.hook = HookRulesOf(from.auth().hook());
    app.connections = from.limits().connections();
    app.connections_per_user = from.limits().connections_per_user();
    app.max_streams = from.limits().streams();
    app.fold_names = from.fold_names();
    app.catalogue = CatalogueOf(from.streams(), config.limits().max_publish_bytes());
    app.client_events = ClientEventsOf(from.client_events(), config.limits().max_publish_bytes());
  }
  gone_.clear();
  for (auto& [name, each] : known_) {
    if (each.there || std::find(before.begin(), before.end(), each.id) == before.end()) continue;
    each.tokens->SetRules({});
    each.schemas->Clear();
    gone_.push_back(each.id);
  }
  return auth::Apps(std::move(apps));
}

void AppRegistry::Sweep(std::chrono::system_clock::time_point now) {
  for (auto& [name, known] : known_) known.tokens->denials().Sweep(now);
}

void AppRegistry::Stop() {
  for (auto& [name, known] : known_) known.tokens->Stop();
}

void AppRegistry::Collect(MetricsWriter& writer) const {
  for (const auto& [name, known] : known_) {
    known.tokens->Collect(writer, name);
    known.schemas->Collect(writer, name);
  }
}

}  // namespace carillon::server
