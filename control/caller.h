#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/auth/api_keys.h"
#include "gateway/auth/app.h"
#include "gateway/base/status.h"
#include "gateway/wire/topic.h"

namespace grpc {
class ServerContextBase;
}

namespace carillon::control {

// Who calls, and what they may speak to: an app, and streams in it. Immutable. Any thread.
class Caller {
 public:
  Caller(auth::ApiKeyPtr key, std::shared_ptr<const auth::Apps> apps);
  ~Caller();
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  // What the configuration calls the key, for logs; empty without keys.
  const std::string& name() const { return key_->name; }

  // The app that a request names; where it names none, the first of the key's. Lives as long as this.
  // PERMISSION_DENIED: the key is not for it. NOT_FOUND: there is none.
  StatusOr<const auth::App*> AppOf(const std::string& named) const;

  // The address of what a request names; `stream` is the stream that it names besides, if any. Errors as above, and
  // PERMISSION_DENIED where the key is for other streams.
  StatusOr<wire::Topic> TopicOf(const std::string& app, wire::TopicKind kind, const std::string& name,
                                const std::string& stream = "") const;

  // The apps that there are and that the key is for. They live as long as this.
  std::vector<const auth::App*> Apps() const;

  // The app of an address that TopicOf made.
  const auth::App& AppOf(const wire::Topic& topic) const { return *apps_->Find(topic.app); }

  // Whether the key is for a stream.
  bool MaySee(const std::string& stream) const;

  // PERMISSION_DENIED where the key is not for every app and stream: for what concerns the gateway as a whole.
  Status CheckEverything() const;

  // PERMISSION_DENIED where the key is for some streams only: for what is nobody's stream.
  Status CheckAllStreams() const;

 private:
  bool IsFor(std::string_view app) const;
  Status CheckStreams(const std::string& stream) const;

  const auth::ApiKeyPtr key_;
  const std::shared_ptr<const auth::Apps> apps_;
};

// The caller, who may use that verb: reads "authorization: Bearer KEY" from the call's metadata. UNAUTHENTICATED says
// the same whatever is wrong with the key, so that nothing can be learnt by trying. Any thread.
StatusOr<std::unique_ptr<const Caller>> CheckCaller(const grpc::ServerContextBase& context,
                                                    const auth::LiveApiKeys& keys, const auth::LiveApps& apps,
                                                    auth::Verb verb);

// Whether any key admits them.
Status CheckCaller(const grpc::ServerContextBase& context, const auth::LiveApiKeys& keys);

// What the configuration calls the caller's key; empty where it is none.
std::string CallerName(const grpc::ServerContextBase& context, const auth::LiveApiKeys& keys);

}  // namespace carillon::control
