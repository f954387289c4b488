#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/auth/app.h"
#include "gateway/base/status.h"
#include "gateway/base/string_map.h"
#include "gateway/dialect/dialect.h"
#include "gateway/edge/client_address.h"
#include "gateway/edge/http_head.h"
#include "gateway/hooks/answers.h"
#include "gateway/hooks/backends.h"
#include "gateway/hub/session.h"

// What backends are asked (hooks.proto). Pure; any thread, but for what takes a session: its shard's.
namespace carillon::edge {

// A question for one backend.
struct Question {
  hooks::Method method = hooks::Method::kAuthenticate;
  std::string backend;              // its name
  std::string request;              // the method's message, in bytes
  std::string stream = {};          // of AuthorizeSubscribe
  hooks::IdentityRules rules = {};  // of Authenticate
};

// What became of the questions that a command had; UNAVAILABLE where a backend has not answered.
struct Answers {
  std::string backend;  // that was asked; of streams, each says its own
  std::optional<StatusOr<hooks::Authenticated>> identity;
  struct OfStream {
    std::string backend;
    StatusOr<hooks::SubscribeVerdict> verdict;
  };
  StringMap<OfStream> streams;
  std::optional<StatusOr<hooks::PublishVerdict>> publish;
  std::optional<StatusOr<hooks::EventVerdict>> event;
  std::vector<std::string> withdrawn;  // streams that were unsubscribed meanwhile

  bool HasWithdrawn(const std::string& stream) const {
    return std::find(withdrawn.begin(), withdrawn.end(), stream) != withdrawn.end();
  }
};

// Whether a token is one for the app's backend, not for its keys.
bool IsForBackend(const auth::App& app, std::string_view token);

// Whether a request shows cookies to a backend: browsers send them whether they are meant or not.
bool ShowsCookies(const auth::App& app, const HttpRequest& request);

// Who a client is that shows this when it connects; nothing where that is not for a backend to say.
std::optional<Question> WhoIs(const auth::App& app, const HttpRequest& request, std::string_view token,
                              const std::string& endpoint, const Address& address);
// The same for a frame with a token that is for a backend.
Question WhoIs(const auth::App& app, const hub::Session& session, const dialect::Auth& frame);

// Who that is, by the answer: UNAUTHENTICATED with what the backend says, PERMISSION_DENIED where the denials keep them
// out, UNAVAILABLE where there is no answer. INVARIANT: Authenticate was asked.
StatusOr<auth::IdentityPtr> IdentityOf(const auth::App& app, const Answers& answers,
                                       std::chrono::system_clock::time_point now);

// `identity` is who asks, null where that is nobody. INVARIANT: the rule names a backend.
Question MaySubscribe(const auth::App& app, const hub::Session& session, const auth::Identity* identity,
                      const std::string& backend, const std::string& stream);
Question MayPublish(const auth::App& app, const hub::Session& session, const std::string& backend,
                    const dialect::Publish& command);
Question WhatOf(const auth::App& app, const hub::Session& session, const std::string& backend,
                const dialect::Publish& event);

// Says instead what a backend wants to be said.
void Change(const hooks::Accept& accept, dialect::Publish* said);

// Why a question has no answer, for the client. Temporary.
dialect::Refusal Unanswered(const Status& status);

// A question is not answered because it was another one when it was asked.
dialect::Refusal RulesHaveChanged();

// The stream was unsubscribed before it was let in: by the client, or by a backend (UnsubscribeUser).
dialect::Refusal Withdrawn();

// What a backend says no with, where it says nothing else.
dialect::Refusal Rejected(const hooks::Refusal& refusal);

}  // namespace carillon::edge
