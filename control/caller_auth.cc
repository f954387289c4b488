#include "control/caller_auth.h"

#include <grpcpp/server_context.h>

#include <string_view>

namespace carillon::control {
namespace {

std::string_view BearerOf(const grpc::ServerContextBase& context) {
  const auto& metadata = context.client_metadata();
  auto it = metadata.find("authorization");
  if (it == metadata.end()) return {};
  std::string_view value(it->second.data(), it->second.size());
  constexpr std::string_view kScheme = "Bearer ";
  if (value.size() <= kScheme.size() || (value.substr(0, kScheme.size()) != kScheme && !value.starts_with("bearer "))) {
    return {};
  }
  return value.substr(kScheme.size());
}

Status Unauthenticated() {
  return absl::UnauthenticatedError("a valid API key is needed: authorization: Bearer KEY (config: control.keys)");
}

constexpr std::string_view NameOf(auth::Verb verb) {
  switch (verb) {
    case auth::Verb::kPublish:
      return "publish";
    case auth::Verb::kRead:
      return "read";
    case auth::Verb::kAdmin:
      return "admin";
  }
  return "";
}

}  // namespace

Status CheckCaller(const grpc::ServerContextBase& context, const auth::LiveApiKeys& keys, auth::Verb verb) {
  switch (keys.Check(BearerOf(context), verb)) {
    case auth::ApiKeys::Verdict::kAllowed:
      return absl::OkStatus();
    case auth::ApiKeys::Verdict::kUnknownKey:
      return Unauthenticated();
    case auth::ApiKeys::Verdict::kVerbMissing:
      break;
  }
  return absl::PermissionDeniedError(
      fmt::format("this key lacks the verb {} (config: control.keys[].verbs)", NameOf(verb)));
}

Status CheckCaller(const grpc::ServerContextBase& context, const auth::LiveApiKeys& keys) {
  return keys.Knows(BearerOf(context)) ? absl::OkStatus() : Unauthenticated();
}

std::string CallerName(const grpc::ServerContextBase& context, const auth::LiveApiKeys& keys) {
  return keys.NameOf(BearerOf(context));
}

}  // namespace carillon::control
