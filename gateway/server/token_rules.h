#pragma once

#include <functional>
#include <string>

#include "carillon/v1/config.pb.h"
#include "gateway/auth/jwt.h"

namespace carillon::server {

// What tokens must be like. Reads the files of keys; calls `problem` with the path of each setting that is wrong, and
// why; the rules are then of no use.
auth::TokenRules TokenRulesOf(const v1::AuthConfig& config,
                              const std::function<void(const std::string& path, const std::string& message)>& problem);

// The keys of a file that holds one JWK, or a JWK Set.
StatusOr<auth::KeySet> ReadJwkFile(const std::string& path);

// A file of at most `max_bytes`. INVALID_ARGUMENT says why it cannot be read.
StatusOr<std::string> ReadKeyFile(const std::string& path, size_t max_bytes = auth::kMaxJwksBytes);

}  // namespace carillon::server
