#pragma once

#include <chrono>
#include <string>
#include <variant>

#include "gateway/auth/claims.h"
#include "gateway/auth/identity.h"
#include "gateway/base/status.h"

// What backends answer, read strictly from hooks.proto's messages: INVALID_ARGUMENT says why something is no answer.
// Pure; any thread.
namespace carillon::hooks {

struct Refusal {
  std::string message;  // for the client; may be empty
};

struct Accept {
  std::string event;  // empty: as it was
  std::string json;
};

struct Answer {
  std::string json;
};

using Authenticated = std::variant<auth::IdentityPtr, Refusal>;
using SubscribeVerdict = std::variant<std::monostate, Refusal>;
using PublishVerdict = std::variant<Accept, Refusal>;
using EventVerdict = std::variant<Accept, Refusal, Answer>;

// How an identity is made of a HookUser.
struct IdentityRules {
  auth::ClaimRules claims;  // of these: subscribe, fold_names
  std::chrono::milliseconds lifetime{3'600'000};
};

StatusOr<Authenticated> ReadAuthenticated(const std::string& bytes, const IdentityRules& rules,
                                          std::chrono::system_clock::time_point now);
StatusOr<SubscribeVerdict> ReadSubscribeVerdict(const std::string& bytes);
// `most`: bytes of a payload.
StatusOr<PublishVerdict> ReadPublishVerdict(const std::string& bytes, size_t most);
StatusOr<EventVerdict> ReadEventVerdict(const std::string& bytes, size_t most);

}  // namespace carillon::hooks
