#pragma once

#include "carillon/v1/config.pb.h"
#include "control/control_server.h"
#include "gateway/base/log.h"
#include "gateway/edge/edge_server.h"
#include "gateway/engine/memory_engine.h"
#include "gateway/hub/node.h"
#include "gateway/server/ending.h"

// From the checked configuration to each room's own options: the rooms do not know the schema.
namespace carillon::server {

hub::NodeOptions NodeOptionsOf(const v1::Config& config);
engine::MemoryEngineOptions EngineOptionsOf(const v1::Config& config, uint64_t memory_limit, const auth::Apps& apps);
// Logs get at most half of what the process may have (0: no limit), or they would leave it short for good.
size_t LogBytesOf(const v1::Config& config, uint64_t memory_limit);
// The apps are those of the configuration.
engine::RulesByApp StreamRulesOf(const v1::Config& config, const auth::Apps& apps);
DrainOptions DrainOptionsOf(const v1::Config& config);

// `max_connections` sessions, and `max_sockets` connections of every kind, are what the limit on open files allows.
edge::EdgeOptions EdgeOptionsOf(const v1::Config& config, size_t max_connections, size_t max_sockets);
edge::AdmissionRules AdmissionRulesOf(const v1::Config& config);

edge::ConnectionLimitSettings ConnectionLimitsOf(const v1::Config& config);

auth::ApiKeys ApiKeysOf(const v1::Config& config);
control::ControlOptions ControlOptionsOf(const v1::Config& config);

// Who may do what with the streams of an app, and what becomes of what clients say to none; `most` is the largest
// payload that anybody may publish.
auth::Catalogue CatalogueOf(const google::protobuf::RepeatedPtrField<v1::StreamRule>& rules, uint64_t most);

auth::ClientEvents ClientEventsOf(const google::protobuf::RepeatedPtrField<v1::EventRule>& rules, uint64_t most);

auth::HookRules HookRulesOf(const v1::AuthHook& hook);

log::Level LogLevelOf(const v1::Config& config);
log::Format LogFormatOf(const v1::Config& config, bool on_terminal);

}  // namespace carillon::server
