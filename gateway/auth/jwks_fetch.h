#pragma once

#include <atomic>
#include <chrono>
#include <string>

#include "gateway/base/status.h"

namespace carillon::auth {

// Where a JWK Set is, and how to ask for it.
struct JwksAddress {
  std::string url;
  std::string ca_file;  // PEM; empty: the system's
  std::chrono::milliseconds timeout{5'000};

  bool operator==(const JwksAddress&) const = default;
};

// Why a URL cannot be an address of keys; empty where it can: https, or http on loopback, without user and password.
std::string JwksUrlProblem(const std::string& url);

// What logs may show of a URL: without its query and parameters, which may hold a secret.
std::string ShownUrl(const std::string& url);

// GETs the text: at most kMaxJwksBytes, no redirects. UNAVAILABLE with the reason, which quotes nothing of the answer.
// Blocks until it is done, `timeout` has passed, or, within a second, `stop` is set. Any thread.
StatusOr<std::string> FetchJwks(const JwksAddress& address, const std::atomic<bool>& stop);

}  // namespace carillon::auth
