#include "control/control_server.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/health/v1/health.grpc.pb.h>
#include <grpc/support/log.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <future>
#include <thread>

#include "control/admin_service.h"
#include "control/event_service.h"
#include "control/reflection.h"
#include "control/schema_service.h"
#include "gateway/base/log.h"

namespace carillon::control {
namespace {

// The most that one request may hold; gRPC answers RESOURCE_EXHAUSTED beyond it (reliability notes R47).
constexpr int kMaxReceiveBytes = 1 << 20;
constexpr int kMaxMetadataBytes = 8 << 10;
constexpr int kMaxConcurrentStreams = 100;
constexpr int kMinPingIntervalMs = 10'000;
constexpr int kMaxPingStrikes = 2;
// A backend that vanished without a word must not keep its calls, and its connection, for hours.
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;

// How long calls that still come are told that the gateway is going, and then how long answers may take to get out when
// nothing is being worked on any more. Backends with an idle connection, which gRPC's shutdown waits for too, may not
// notice in time; what reaches gRPC after that is CANCELLED without a reason.
constexpr std::chrono::milliseconds kGoodbye{200};

// How long gRPC may take to end when all calls have: it writes out what connections take, and one that takes nothing
// keeps it for as long as keepalive does.
constexpr std::chrono::seconds kLastWords{2};

// How often the files of TLS are looked at, in seconds.
constexpr unsigned kLookAtFiles = 10;

constexpr char kControlName[] = "carillon.v1.ControlService";
constexpr char kEventsName[] = "carillon.v1.EventService";
constexpr char kAdminName[] = "carillon.v1.AdminService";
constexpr char kSchemasName[] = "carillon.v1.SchemaService";
constexpr char kHealthName[] = "grpc.health.v1.Health";

// gRPC's own messages join ours: on a terminal or in a collector, one format. Each that a stranger may cause, such as a
// handshake without a certificate, would be a line.
void LogFromGrpc(gpr_log_func_args* args) {
  static log::SamplerByReason sampler;
  uint64_t suppressed = 0;
  if (args->severity != GPR_LOG_SEVERITY_ERROR) return log::Write(log::Level::kDebug, "grpc", args->message);
  if (!sampler.Allow(args->file, &suppressed)) return;
  log::Warn("grpc", args->message, {{"suppressed", suppressed}});
}

// protobuf complains about requests that are none; without this, on standard error as it likes, for every stranger.
void LogFromProtobuf(google::protobuf::LogLevel, const char*, int, const std::string& message) {
  static log::Sampler sampler;
  uint64_t suppressed = 0;
  if (sampler.Allow(&suppressed)) log::Warn("grpc", message, {{"suppressed", suppressed}});
}

std::shared_ptr<grpc::ServerCredentials> CredentialsOf(const ControlTlsFiles& files) {
  if (files.certificate.empty()) return grpc::InsecureServerCredentials();
  namespace tls = grpc::experimental;
  tls::TlsServerCredentialsOptions options(std::make_shared<tls::FileWatcherCertificateProvider>(
      files.key, files.certificate, files.client_authorities, kLookAtFiles));
  options.watch_identity_key_cert_pairs();
  if (!files.client_authorities.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return tls::TlsServerCredentials(options);
}

}  // namespace

struct ControlServer::Impl {
  Impl(ControlOptions options, hub::Node& node, const auth::LiveApps& apps, Operations& operations)
      : listen(std::move(options.listen)),
        reflection(options.reflection),
        tls(std::move(options.tls)),
        context(node, apps, std::move(options.keys), options.max_publish_bytes, operations,
                {std::move(options.version)}) {}

  std::string listen;
  bool reflection;
  ControlTlsFiles tls;
  ControlContext context;
  std::vector<std::unique_ptr<grpc::Service>> services;
  std::unique_ptr<grpc::Server> server;
  std::future<void> closing;  // the server; destroyed first, which waits
};

ControlServer::ControlServer(ControlOptions options, hub::Node& node, const auth::LiveApps& apps,
                             Operations& operations)
    : impl_(std::make_unique<Impl>(std::move(options), node, apps, operations)) {
  node.SetEventsHandler([events = &impl_->context.events](wire::AppId app) { events->Signal(app); });
}

ControlServer::~ControlServer() {
  Shutdown(std::chrono::milliseconds(0));
}

Status ControlServer::Start() {
  gpr_set_log_function(&LogFromGrpc);
  google::protobuf::SetLogHandler(&LogFromProtobuf);
  grpc::EnableDefaultHealthCheckService(true);
  impl_->services.push_back(MakeControlService(impl_->context));
  impl_->services.push_back(MakeEventService(impl_->context));
  impl_->services.push_back(MakeAdminService(impl_->context));
  impl_->services.push_back(MakeSchemaService(impl_->context));
  impl_->context.events.Start(impl_->context.node.engine());
  if (impl_->reflection) {
    // Naming a health message here is what links its descriptor into the binary, so that reflection can describe it.
    std::string health_proto = grpc::health::v1::HealthCheckRequest::descriptor()->file()->name();
    for (auto& service : MakeReflectionServices(impl_->context.keys,
                                                {kControlName, kEventsName, kAdminName, kSchemasName, kHealthName})) {
      impl_->services.push_back(std::move(service));
    }
  }

  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(impl_->listen, CredentialsOf(impl_->tls), &port);
  builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxConcurrentStreams);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, kMaxPingStrikes);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Two gateways on one port would each get half the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  for (auto& service : impl_->services) builder.RegisterService(service.get());
  impl_->server = builder.BuildAndStart();
  bool is_unix = impl_->listen.starts_with("unix:");
  if (impl_->server == nullptr || (port == 0 && !is_unix)) {
    return FailedPrecondition("cannot listen on {}: {}", impl_->listen,
                              is_unix ? "may we write there?" : "is the port taken?");
  }
  if (!is_unix) {
    size_t colon = impl_->listen.rfind(':');
    impl_->listen = impl_->listen.substr(0, colon + 1) + std::to_string(port);
  }
  impl_->server->GetHealthCheckService()->SetServingStatus(kControlName, true);
  return absl::OkStatus();
}

const std::string& ControlServer::address() const {
  return impl_->listen;
}

void ControlServer::SetKeys(auth::ApiKeys keys) {
  impl_->context.keys.Set(std::move(keys));
  impl_->context.events.WakeAll();  // who may not watch any more is told so
}

void ControlServer::SetServing(bool serving) {
  impl_->context.serving.store(serving);
  if (impl_->server != nullptr) impl_->server->GetHealthCheckService()->SetServingStatus(serving);
}

void ControlServer::Stop() {
  impl_->context.stopping.store(true);
  impl_->context.open_calls.StopAll();
  impl_->context.events.WakeAll();
  SetServing(false);
}

bool ControlServer::Shutdown(std::chrono::milliseconds patience) {
  Stop();
  if (impl_->server == nullptr) return true;
  if (impl_->closing.valid()) return false;
  auto now = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(std::min(patience, kGoodbye));
  impl_->context.running.WaitForNone(now + patience);
  impl_->closing =
      std::async(std::launch::async, [server = impl_->server.get(), goodbye = std::min(patience, kGoodbye)] {
        server->Shutdown(std::chrono::system_clock::now() + goodbye);
        server->Wait();
      });
  if (impl_->closing.wait_for(kLastWords) != std::future_status::ready) return false;
  impl_->server.reset();
  return true;
}

std::vector<engine::GroupPlace> ControlServer::Places() const {
  return impl_->context.events.Places();
}

void ControlServer::Collect(MetricsWriter& writer) const {
  impl_->context.publisher.Collect(writer, *impl_->context.apps.Get());
  impl_->context.refusals.Collect(writer);
  impl_->context.tails.Collect(writer);
  std::shared_ptr<const auth::Apps> apps = impl_->context.apps.Get();
  impl_->context.events.Collect(writer, [&](wire::AppId id) {
    const auth::App* app = apps->Find(id);
    return app == nullptr ? "" : app->name;
  });
}

}  // namespace carillon::control
