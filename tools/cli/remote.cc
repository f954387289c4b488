#include "tools/cli/remote.h"

#include <google/rpc/error_details.pb.h>
#include <grpc/health/v1/health.pb.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <csignal>
#include <cstdlib>

#include "gateway/base/check.h"
#include "tools/cli/grpcurl.h"
#include "tools/cli/outcome.h"
#include "tools/cli/read_file.h"

namespace carillon::cli {
namespace {

using google::protobuf::Message;

StatusOr<std::string> ReadPem(const char* flag, const std::string& name) {
  if (name.empty()) return std::string();
  std::string text = ReadFile(name).value_or("");
  if (text.find("-----BEGIN") != std::string::npos) return text;
  return WithAdvice(InvalidArgument("{}: {} is no PEM file that can be read", flag, name),
                    "see its name, its mode and what it holds");
}

StatusOr<std::shared_ptr<grpc::ChannelCredentials>> CredentialsOf(const Connection& connection) {
  if (!connection.tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  ASSIGN_OR_RETURN(options.pem_root_certs, ReadPem("--ca", connection.ca));
  ASSIGN_OR_RETURN(options.pem_cert_chain, ReadPem("--cert", connection.cert));
  ASSIGN_OR_RETURN(options.pem_private_key, ReadPem("--cert-key", connection.cert_key));
  return grpc::SslCredentials(options);
}

}  // namespace

const google::protobuf::MethodDescriptor& MethodOf(const google::protobuf::Descriptor& request) {
  const google::protobuf::FileDescriptor& file = *request.file();
  for (int s = 0; s < file.service_count(); ++s) {
    for (int m = 0; m < file.service(s)->method_count(); ++m) {
      const google::protobuf::MethodDescriptor& method = *file.service(s)->method(m);
      if (method.input_type() == &request) return method;
    }
  }
  CARILLON_CHECK(false);
}

std::unique_ptr<Message> ResponseTo(const Message& request) {
  const auto& type = *MethodOf(*request.GetDescriptor()).output_type();
  return std::unique_ptr<Message>(google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type)->New());
}

StatusOr<Remote> Remote::To(const Connection& connection) {
  ASSIGN_OR_RETURN(auto credentials, CredentialsOf(connection));
  grpc::ChannelArguments arguments;
  // As the clients have it: come back soon after a restart, and notice a connection that has silently died.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  arguments.SetMaxReceiveMessageSize(64 << 20);  // a page of a log, or of sessions with all their labels
  return Remote(connection, grpc::CreateCustomChannel(connection.address, credentials, arguments));
}

Remote::Remote(Connection connection, std::shared_ptr<grpc::Channel> channel)
    : connection_(std::move(connection)), channel_(std::move(channel)) {}

void Remote::Prepare(grpc::ClientContext* context) const {
  if (!connection_.key.empty()) context->AddMetadata("authorization", "Bearer " + connection_.key);
}

Status Remote::Call(const Message& request, Message* response, std::chrono::milliseconds longer) const {
  const google::protobuf::MethodDescriptor& method = MethodOf(*request.GetDescriptor());
  grpc::ClientContext context;
  Prepare(&context);
  context.set_deadline(std::chrono::system_clock::now() + connection_.timeout + longer);
  grpc::CompletionQueue queue;
  grpc::TemplatedGenericStub<Message, Message> stub(channel_);
  auto call =
      stub.PrepareUnaryCall(&context, "/" + method.service()->full_name() + "/" + method.name(), request, &queue);
  call->StartCall();
  grpc::Status status;
  call->Finish(response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return absl::DeadlineExceededError(
        fmt::format("no answer from {} within {} ms", connection_.address, (connection_.timeout + longer).count()));
  }
  Status said = FromGrpc(status);
  if (absl::IsUnavailable(said) && ReasonOf(said).empty()) {
    std::string why = MessageOf(said);
    constexpr std::string_view kBeforeWhy = "last error: ";  // of the addresses that a name has
    if (size_t at = why.rfind(kBeforeWhy); at != std::string::npos) why.erase(0, at + kBeforeWhy.size());
    return absl::UnavailableError(fmt::format("cannot reach the gateway at {}: {}", connection_.address, why));
  }
  return said;
}

Status Remote::Reach() const {
  grpc::health::v1::HealthCheckResponse response;
  return Call(grpc::health::v1::HealthCheckRequest(), &response);
}

Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  Status said(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return said;
  for (const auto& detail : details.details()) {
    google::rpc::ErrorInfo info;
    if (detail.UnpackTo(&info)) said = WithReason(said, info.reason());
  }
  return said;
}

void AddressTo(Message& request, const std::string& app) {
  const auto* field = request.GetDescriptor()->FindFieldByName("app");
  if (field != nullptr && !app.empty()) request.GetReflection()->SetString(&request, field, app);
}

RemoteCommand::RemoteCommand(CLI::App& command) : connection_(command), output_(command) {
  command.add_flag("--print-grpcurl", print_grpcurl_, "Print the line of grpcurl that does the same, and do nothing")
      ->group("Output");
}

int RemoteCommand::Run(const std::function<Status(const Remote&)>& run) const {
  std::signal(SIGPIPE, SIG_IGN);          // Print() sees it
  ::setenv("GRPC_VERBOSITY", "NONE", 0);  // its statuses say what its log would
  auto connection = connection_.Resolve();
  if (!connection.ok()) return Report(connection.status());
  auto remote = Remote::To(*connection);
  return Report(remote.ok() ? run(*remote) : remote.status());
}

Status RemoteCommand::PrintGrpcurl(const Remote& remote, const Message& request) const {
  return Print(GrpcurlLine(remote.connection(), request) + "\n");
}

}  // namespace carillon::cli
