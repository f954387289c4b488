#include "carillon/v1/admin.pb.h"
#include "tools/cli/commands.h"
#include "tools/cli/outcome.h"
#include "tools/cli/remote.h"

// The running gateway's configuration: what it is, and load it again.
namespace carillon::cli {
namespace {

// A change a line; nothing where nothing has changed.
Status PrintChanges(Format format, const v1::ReloadResponse& response) {
  if (format != Format::kTable) return PrintRecord(format, RowOf(response), {});
  ListPrinter printer(format, {{"SETTING", "setting"}, {"FROM", "from"}, {"TO", "to"}, {"COUNTS", "counts"}});
  auto add = [&](const auto& changes, const char* counts) {
    for (const v1::SettingChange& change : changes) {
      boost::json::object row = RowOf(change);
      row["counts"] = counts;
      RETURN_IF_ERROR(printer.Add(row));
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(add(response.changed(), "now"));
  RETURN_IF_ERROR(add(response.need_restart(), "after a restart"));
  return printer.End();
}

template <class Request, class Response>
void Add(CLI::App& app, const char* name, const char* group, const char* help, int* exit_code,
         Status (*print)(Format, const Response&)) {
  CLI::App* command = app.add_subcommand(name, help)->group(group);
  auto remote_command = std::make_shared<RemoteCommand>(*command);
  command->callback([=] {
    *exit_code = remote_command->Run([&](const Remote& remote) {
      Request request;
      if (remote_command->print_grpcurl()) return remote_command->PrintGrpcurl(remote, request);
      Response response;
      RETURN_IF_ERROR(remote.Call(request, &response));
      return print(remote_command->format(), response);
    });
  });
}

Status PrintConfig(Format format, const v1::GetConfigResponse& response) {
  return format == Format::kTable ? Print(response.yaml()) : PrintRecord(format, RowOf(response), {});
}

}  // namespace

void AddConfigCommands(CLI::App& app, int* exit_code) {
  Add<v1::GetConfigRequest, v1::GetConfigResponse>(
      app, "config", kLook, "Print the settings that count in the gateway, as YAML without secrets", exit_code,
      &PrintConfig);
  Add<v1::ReloadRequest, v1::ReloadResponse>(
      app, "reload", kAct, "Load the gateway's configuration again, all or nothing; lists what has changed", exit_code,
      &PrintChanges);
}

}  // namespace carillon::cli
