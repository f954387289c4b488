#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "gateway/auth/app.h"
#include "gateway/auth/identity.h"
#include "gateway/edge/client_address.h"
#include "gateway/edge/http_head.h"
#include "gateway/edge/questions.h"
#include "gateway/hub/session.h"

// From a request to a session, or to a refusal that says which rule refused it. Pure: the clock comes as an argument.
namespace carillon::edge {

// A path that clients connect to. Immutable; outlives the sessions made from it.
struct EndpointRules {
  std::string path;
  std::string app;  // the only one that it is for; empty: any
  bool anonymous = false;
  bool close_on_refusal = false;  // accept, then close with 4001, because browsers cannot read a refused handshake
  bool require_subprotocol = false;
  uint32_t send_buffer_bytes = 64 << 10;
  hub::SessionSettings session;
};

// What holds for whoever connects, to whatever app. Immutable.
struct AdmissionRules {
  TrustedProxies proxies;
  std::string app_domain;  // in lower case; empty: none
};

// What a connection is admitted as.
struct Admission {
  const EndpointRules* endpoint = nullptr;
  wire::AppId app = wire::kDefaultApp;
  auth::IdentityPtr identity;        // null: anonymous, or not known yet
  bool owes_auth = false;            // must send its token as the first frame
  std::vector<std::string> streams;  // asked for by path, query or token; not judged yet
  dialect::WantedByStream wanted;    // of what was missed
  std::vector<SessionId> resumes;    // what the client was before
  std::string subprotocol;           // to be confirmed; empty: none
  std::string websocket_key;
  std::string refused_because;  // not empty: accept, then close with this and
  wire::CloseCode refused_with = wire::CloseCode::kUnauthorized;
  Address address;              // the client's, as trusted proxies say
  std::shared_ptr<void> place;  // among those of its address; null: not counted
};

// A question, where a backend must say first who the client is.
using Verdict = std::variant<Admission, HttpError, Question>;

// What is known of a request besides what it says.
struct RequestFacts {
  std::string_view path_stream;  // that its path names
  Address address;               // the client's
  std::chrono::system_clock::time_point now;
  const Answers* answers = nullptr;  // to the question that this was answered with before
};

// Judges a request for a WebSocket. INVARIANT: the path has an endpoint. *unknown_key: the verdict may be another when
// newer keys are there (auth::Verifier::AwaitKeys).
Verdict Judge(const HttpRequest& request, const auth::App& app, const EndpointRules& endpoint,
              const RequestFacts& facts, bool* unknown_key);

// What a client shows when it comes back: the ids of the sessions that it has been, the newest last, joined by dots.
// Ids are no secrets from their client, and whoever claims to be another only misses what was not for that one.
std::vector<SessionId> ParseResume(std::string_view text);
std::string ResumeText(const hub::Session& session);

// Adds the names of a comma-separated list.
void AddStreams(std::string_view list, std::vector<std::string>* streams);

}  // namespace carillon::edge
