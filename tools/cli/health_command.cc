#include <grpc/health/v1/health.pb.h>

#include "tools/cli/commands.h"
#include "tools/cli/outcome.h"
#include "tools/cli/remote.h"

namespace carillon::cli {

void AddHealth(CLI::App& app, int* exit_code) {
  using grpc::health::v1::HealthCheckResponse;
  CLI::App* command =
      app.add_subcommand("health", "Ask whether the gateway serves: the exit code is the answer. Needs no key")
          ->group(kDiagnose);
  auto service = std::make_shared<std::string>();
  command->add_option("--service", *service, "Of one service, such as carillon.v1.ControlService");
  auto remote_command = std::make_shared<RemoteCommand>(*command);
  command->callback([=] {
    *exit_code = remote_command->Run([&](const Remote& remote) {
      grpc::health::v1::HealthCheckRequest request;
      request.set_service(*service);
      if (remote_command->print_grpcurl()) return remote_command->PrintGrpcurl(remote, request);
      HealthCheckResponse response;
      RETURN_IF_ERROR(remote.Call(request, &response));
      RETURN_IF_ERROR(PrintRecord(remote_command->format(), RowOf(response), {{"status", "status"}}));
      if (response.status() == HealthCheckResponse::SERVING) return absl::OkStatus();
      return Failed(
          "the gateway does not serve",
          "it is drained, or ending: \"carillon nodes\" says by whom, \"carillon drain --undo\" opens it again");
    });
  });
}

}  // namespace carillon::cli
