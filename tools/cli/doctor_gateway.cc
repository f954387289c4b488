#include <grpc/health/v1/health.pb.h>
#include <grpc/reflection/v1/reflection.grpc.pb.h>
#include <grpcpp/channel.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <google/protobuf/util/time_util.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "carillon/v1/admin.pb.h"
#include "carillon/v1/control.pb.h"
#include "gateway/server/version.h"
#include "tools/cli/doctor_checks.h"
#include "tools/cli/outcome.h"

namespace carillon::cli {
namespace {

namespace asio = boost::asio;
using google::protobuf::util::TimeUtil;
using Result = Check::Result;

// Tokens and logs are judged by the gateway's clock; so much does not matter.
constexpr double kMaxClockSeconds = 5;

// How long to wait for somebody who may be there and says nothing.
constexpr std::chrono::seconds kProbePatience{3};

// Whether somebody listens there, and whether a TLS handshake works when nobody looks at the certificate.
bool Connects(const std::string& address, bool tls) {
  size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  asio::io_context context;
  asio::ip::tcp::resolver resolver(context);
  asio::ip::tcp::socket socket(context);
  boost::system::error_code error;
  auto found = resolver.resolve(host, address.substr(colon + 1), error);
  if (error) return false;
  error = asio::error::timed_out;
  asio::async_connect(socket, found,
                      [&error](const boost::system::error_code& result, const auto&) { error = result; });
  context.run_for(kProbePatience);
  if (error || !tls) return !error;
  socket.native_non_blocking(false, error);
  timeval patience = {kProbePatience.count(), 0};
  ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> rules(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  std::unique_ptr<SSL, void (*)(SSL*)> handshake(SSL_new(rules.get()), SSL_free);
  SSL_set_fd(handshake.get(), socket.native_handle());
  bool done = SSL_connect(handshake.get()) == 1;
  ERR_clear_error();
  return done;
}

bool SpeaksPlain(const Connection& connection) {
  Connection plain;  // and without the key, which is not for every ear
  plain.address = connection.address;
  plain.timeout = connection.timeout;
  auto remote = Remote::To(plain);
  return remote.ok() && remote->Reach().ok();
}

Check CheckPort(const Remote& remote, Status reached) {
  const Connection& connection = remote.connection();
  const std::string& address = connection.address;
  if (!absl::IsUnavailable(reached) && !absl::IsDeadlineExceeded(reached)) {
    return {"control port", Result::kGood,
            fmt::format("{} answers, {}", address, connection.tls ? "by TLS" : "in plain text"), ""};
  }
  Check bad{"control port", Result::kBad, MessageOf(reached), AdviceOf(reached)};
  if (address.starts_with("unix:")) return bad;
  if (!Connects(address, false)) {
    bad.said = fmt::format("nobody listens at {}", address);
    bad.advice = "start the gateway (carillon serve), or say with --address where its control port is";
  } else if (!connection.tls && Connects(address, true)) {
    bad.said = fmt::format("{} speaks TLS, and we plain text", address);
    bad.advice = "--ca FILE, or --tls where its certificate is of a public authority";
  } else if (connection.tls && SpeaksPlain(connection)) {
    bad.said = fmt::format("{} speaks plain text, and we TLS", address);
    bad.advice = "leave out --tls, --ca and --cert, or set control.tls at the gateway";
  } else if (connection.tls && Connects(address, true)) {
    bad.advice =
        "it speaks TLS, but one of the two does not like the other's certificate: see --ca (its issuer), --cert, and "
        "the name in --address";
  } else {
    bad.said = fmt::format("something listens at {}, but it is no control port", address);
    bad.advice = "the control port is the one of control.listen, 7311 by default; not the edge's and not the admin's";
  }
  return bad;
}

// Not: the key is for other streams or apps.
bool LacksVerb(const Status& status) {
  return absl::IsPermissionDenied(status) && MessageOf(status).starts_with("this key lacks the verb");
}

// The verbs that the key has, by calls that would do nothing. UNAUTHENTICATED where there is no such key.
StatusOr<std::string> VerbsOf(const Remote& remote) {
  v1::ListNodesRequest read;
  v1::BroadcastStreamRequest publish;
  v1::KickRequest admin;
  struct Probe {
    const char* verb;
    const google::protobuf::Message& request;
  };
  std::string verbs;
  for (const Probe& probe : {Probe{"publish", publish}, Probe{"read", read}, Probe{"admin", admin}}) {
    Status status = remote.Call(probe.request, ResponseTo(probe.request).get());
    if (absl::IsUnauthenticated(status) || absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status))
      return status;
    if (!LacksVerb(status)) verbs += std::string(verbs.empty() ? "" : ", ") + probe.verb;
  }
  return verbs;
}

Check CheckApp(const Remote& remote) {
  v1::ListStreamsRequest request;
  v1::ListStreamsResponse response;
  AddressTo(request, remote.connection().app);
  request.set_page_size(1);
  Status status = remote.Call(request, &response);
  if (status.ok()) return {"app", Result::kGood, remote.connection().app, ""};
  if (LacksVerb(status)) return {"app", Result::kNote, "not known: the key lacks the verb read", ""};
  return {"app", Result::kBad, MessageOf(status), "see --app, apps and control.keys[].apps"};
}

Check CheckReflection(const Remote& remote) {
  grpc::ClientContext context;
  remote.Prepare(&context);
  context.set_deadline(std::chrono::system_clock::now() + remote.connection().timeout);
  auto stub = grpc::reflection::v1::ServerReflection::NewStub(remote.channel());
  auto stream = stub->ServerReflectionInfo(&context);
  grpc::reflection::v1::ServerReflectionRequest request;
  request.set_list_services("");
  grpc::reflection::v1::ServerReflectionResponse response;
  bool answered = stream->Write(request) && stream->Read(&response);
  stream->WritesDone();
  Status status = FromGrpc(stream->Finish());
  if (answered && status.ok()) return {"reflection", Result::kGood, "on: grpcurl needs no .proto files", ""};
  if (absl::IsUnimplemented(status)) {
    return {"reflection", Result::kNote, "off (control.reflection): grpcurl needs the .proto files", ""};
  }
  return {"reflection", Result::kBad, MessageOf(status), AdviceOf(status)};
}

// Of a session the gateway says when it began and how old it is, and so what time it is.
Check CheckClock(const Remote& remote) {
  v1::ListSessionsRequest request;
  v1::ListSessionsResponse response;
  AddressTo(request, remote.connection().app);
  request.set_page_size(1);
  Status status = remote.Call(request, &response);
  auto here = std::chrono::system_clock::now().time_since_epoch();
  if (!status.ok()) return {"clock", Result::kNote, "not known: this key may not list sessions", ""};
  if (response.sessions().empty()) return {"clock", Result::kNote, "not known: nobody is connected to tell it by", ""};
  const v1::Session& session = response.sessions(0);
  auto there =
      TimeUtil::TimestampToMilliseconds(session.connected_time()) + TimeUtil::DurationToMilliseconds(session.age());
  auto ahead = static_cast<double>(there - std::chrono::duration_cast<std::chrono::milliseconds>(here).count()) / 1000;
  std::string said =
      fmt::format("the gateway's is {:.1f} s {} of ours", std::abs(ahead), ahead >= 0 ? "ahead" : "behind");
  if (std::abs(ahead) <= kMaxClockSeconds) return {"clock", Result::kGood, said, ""};
  return {"clock", Result::kBad, said, "set both by NTP: tokens begin and end by the gateway's clock"};
}

// The backends that the gateway asks, for keys that may know of them.
Check CheckBackends(const v1::Node& node) {
  std::string silent;
  for (const v1::HookStatus& hook : node.hooks()) {
    if (hook.breaker() != v1::HOOK_BREAKER_CLOSED) {
      silent += fmt::format("{}{} at {}", silent.empty() ? "" : ", ", hook.name(), hook.address());
    }
  }
  if (silent.empty()) return {"backends", Result::kGood, fmt::format("{} are asked", node.hooks_size()), ""};
  return {"backends", Result::kBad, "do not answer, and are left alone: " + silent,
          "the gateway's log says why (\"a backend has not answered\"); see hooks[].address, .tls and .key"};
}

Check CheckVersion(const v1::Node& node) {
  std::string ours(server::kVersion);
  const std::string& its = node.version();
  if (its == ours) return {"version", Result::kGood, fmt::format("{}, as this program", its), ""};
  return {"version", Result::kNote, fmt::format("the gateway is {}, and this program {}", its, ours), ""};
}

}  // namespace

Checks CheckGateway(const Remote& remote) {
  Checks checks;
  grpc::health::v1::HealthCheckResponse health;
  Status reached = remote.Call(grpc::health::v1::HealthCheckRequest(), &health);
  checks.push_back(CheckPort(remote, reached));
  if (checks.back().result == Result::kBad) return checks;
  bool serves = reached.ok() && health.status() == grpc::health::v1::HealthCheckResponse::SERVING;
  checks.push_back(
      serves
          ? Check{"health", Result::kGood, "it serves", ""}
          : Check{
                "health", Result::kBad, reached.ok() ? "it does not serve" : MessageOf(reached),
                "it is drained, or ending: \"carillon nodes\" says by whom, \"carillon drain --undo\" opens it again"});
  bool with_key = !remote.connection().key.empty();
  auto verbs = VerbsOf(remote);
  if (!verbs.ok()) {
    checks.push_back({"key", Result::kBad,
                      with_key ? "the gateway does not know this key" : "none was given, and the gateway wants one",
                      AdviceOf(verbs.status())});
    return checks;
  }
  std::string may = verbs->empty() ? "nothing" : *verbs;
  checks.push_back({"key", Result::kGood, with_key ? "good for: " + may : "none was given; without one: " + may, ""});
  if (!remote.connection().app.empty()) {
    checks.push_back(CheckApp(remote));
  }
  checks.push_back(CheckReflection(remote));
  checks.push_back(CheckClock(remote));
  v1::ListNodesResponse nodes;
  if (!remote.Call(v1::ListNodesRequest(), &nodes).ok() || nodes.nodes().empty()) {
    checks.push_back({"version", Result::kNote, "not known: the key lacks the verb read", ""});
    return checks;
  }
  if (nodes.nodes(0).hooks_size() > 0) checks.push_back(CheckBackends(nodes.nodes(0)));
  checks.push_back(CheckVersion(nodes.nodes(0)));
  return checks;
}

}  // namespace carillon::cli
