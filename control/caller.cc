#include "control/caller.h"

#include <grpcpp/server_context.h>

#include <algorithm>
#include <string_view>

#include "gateway/base/utf8.h"
#include "gateway/wire/name_pattern.h"

namespace carillon::control {
namespace {

// More than a name may have; of what is none, no more is shown.
constexpr size_t kMaxShownBytes = 100;

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

Caller::Caller(auth::ApiKeyPtr key, std::shared_ptr<const auth::Apps> apps)
    : key_(std::move(key)), apps_(std::move(apps)) {}
Caller::~Caller() = default;

bool Caller::IsFor(std::string_view app) const {
  const std::vector<std::string>& own = key_->apps;
  return std::any_of(own.begin(), own.end(), [app](const std::string& each) { return each == "*" || each == app; });
}

std::vector<const auth::App*> Caller::Apps() const {
  std::vector<const auth::App*> apps;
  for (const auth::App& app : apps_->all()) {
    if (IsFor(app.name)) apps.push_back(&app);
  }
  return apps;
}

StatusOr<const auth::App*> Caller::AppOf(const std::string& named) const {
  const std::vector<std::string>& own = key_->apps;
  std::string name(Utf8Front(named, kMaxShownBytes));
  if (name.empty()) name = own.front() == "*" ? std::string(wire::kDefaultAppName) : own.front();
  // Whoever may not know of an app does not learn whether there is one.
  if (!IsFor(name)) {
    return absl::PermissionDeniedError(
        fmt::format("app: this key is not for the app \"{}\" (config: control.keys[].apps)", name));
  }
  const auth::App* app = apps_->FindByName(name);
  if (app == nullptr) return absl::NotFoundError(fmt::format("app: there is no app \"{}\" (config: apps)", name));
  return app;
}

bool Caller::MaySee(const std::string& stream) const {
  const std::vector<std::string>& patterns = key_->streams;
  return patterns.empty() ||
         (!stream.empty() && std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
           return wire::MatchesPattern(pattern, stream);
         }));
}

Status Caller::CheckStreams(const std::string& stream) const {
  if (MaySee(stream)) return absl::OkStatus();
  std::string list;
  for (const std::string& pattern : key_->streams) list += (list.empty() ? "" : ", ") + pattern;
  return absl::PermissionDeniedError(
      fmt::format("stream: this key is for the streams {} only (config: control.keys[].streams)", list));
}

Status Caller::CheckEverything() const {
  RETURN_IF_ERROR(CheckAllStreams());
  for (const auth::App& app : apps_->all()) {
    if (IsFor(app.name)) continue;
    return absl::PermissionDeniedError("this needs a key for all apps (config: control.keys[].apps: [\"*\"])");
  }
  return absl::OkStatus();
}

Status Caller::CheckAllStreams() const {
  return CheckStreams("");
}

StatusOr<wire::Topic> Caller::TopicOf(const std::string& app, wire::TopicKind kind, const std::string& name,
                                      const std::string& stream) const {
  ASSIGN_OR_RETURN(const auth::App* found, AppOf(app));
  bool is_stream = kind == wire::TopicKind::kStream;
  std::string meant = found->StreamNamed(is_stream ? name : stream);
  RETURN_IF_ERROR(CheckStreams(meant));
  return wire::Topic(found->id, kind, is_stream ? std::move(meant) : name);
}

StatusOr<std::unique_ptr<const Caller>> CheckCaller(const grpc::ServerContextBase& context,
                                                    const auth::LiveApiKeys& keys, const auth::LiveApps& apps,
                                                    auth::Verb verb) {
  auth::ApiKeyPtr key = keys.Find(BearerOf(context));
  if (key == nullptr) return Unauthenticated();
  if (!key->May(verb)) {
    return absl::PermissionDeniedError(
        fmt::format("this key lacks the verb {} (config: control.keys[].verbs)", NameOf(verb)));
  }
  return std::make_unique<const Caller>(std::move(key), apps.Get());
}

Status CheckCaller(const grpc::ServerContextBase& context, const auth::LiveApiKeys& keys) {
  return keys.Find(BearerOf(context)) != nullptr ? absl::OkStatus() : Unauthenticated();
}

std::string CallerName(const grpc::ServerContextBase& context, const auth::LiveApiKeys& keys) {
  auth::ApiKeyPtr key = keys.Find(BearerOf(context));
  return key == nullptr ? "" : key->name;
}

}  // namespace carillon::control
