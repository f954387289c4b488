#pragma once

#include "carillon/v1/config.pb.h"
#include "control/control_server.h"
#include "gateway/base/log.h"
#include "gateway/edge/edge_server.h"
#include "gateway/engine/memory_engine.h"
#include "gateway/hub/node.h"
#include "gateway/server/drain.h"

// From the checked configuration to each room's own options: the rooms do not know the schema.
namespace carillon::server {

hub::NodeOptions NodeOptionsOf(const v1::Config& config);
// Logs get at most half of what the process may have (0: no limit), or they would leave it short for good.
engine::MemoryEngineOptions EngineOptionsOf(const v1::Config& config, uint64_t memory_limit);
DrainOptions DrainOptionsOf(const v1::Config& config);

// `max_connections` sessions, and `max_sockets` connections of every kind, are what the limit on open files allows.
edge::EdgeOptions EdgeOptionsOf(const v1::Config& config, size_t max_connections, size_t max_sockets);
edge::AdmissionRules AdmissionRulesOf(const v1::Config& config, std::shared_ptr<const auth::Verifier> tokens);

edge::ConnectionLimitSettings ConnectionLimitsOf(const v1::Config& config);

auth::ApiKeys ApiKeysOf(const v1::Config& config);
control::ControlOptions ControlOptionsOf(const v1::Config& config);

log::Level LogLevelOf(const v1::Config& config);
log::Format LogFormatOf(const v1::Config& config, bool on_terminal);

}  // namespace carillon::server
