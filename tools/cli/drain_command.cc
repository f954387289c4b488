#include <algorithm>

#include "carillon/v1/admin.pb.h"
#include "tools/cli/commands.h"
#include "tools/cli/fields.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/outcome.h"
#include "tools/cli/remote.h"

// Nobody new, and those that are there are sent home; or back.
namespace carillon::cli {
namespace {

// How often it is looked how many are left.
constexpr std::chrono::milliseconds kLook{200};

const std::vector<Column> kColumns = {
    {"gateway", "status.node"},          {"app", "status.app_name"},           {"endpoint", "status.endpoint"},
    {"state", "status.state", ShowWord}, {"sessions left", "status.sessions"}, {"since", "status.begin_time"},
    {"asked by", "status.asked_by"},     {"ends the process", "status.exit"},  {"changed", "changed"}};

bool IsSame(const v1::DrainStatus& a, const v1::DrainStatus& b) {
  return a.target_case() == b.target_case() && a.app_name() == b.app_name() && a.endpoint() == b.endpoint();
}

// Says how many are left until nobody is, and of a process that is to end, until that is gone. At Ctrl-C the drain goes
// on.
Status Wait(const Remote& remote, const Interrupt& interrupt, v1::DrainStatus* status) {
  uint64_t said = UINT64_MAX;
  while (true) {
    if (status->state() == v1::DRAIN_STATE_SERVING) {
      return Failed("somebody has taken the drain back", "\"carillon nodes\" says how it stands");
    }
    if (status->sessions() != said) Say(fmt::format("{} sessions left", said = status->sessions()));
    if (status->state() == v1::DRAIN_STATE_DRAINED && !status->exit()) return absl::OkStatus();
    if (interrupt.WaitFor(kLook)) {
      Say("the drain goes on: --undo takes it back");
      return absl::OkStatus();
    }
    v1::ListNodesResponse nodes;
    Status listed = remote.Call(v1::ListNodesRequest(), &nodes);
    bool ends = status->exit() && (absl::IsUnavailable(listed) || absl::IsCancelled(listed));
    if (ends && absl::IsUnavailable(listed) && ReasonOf(listed).empty()) {
      Say("the gateway has ended its calls, and ends when its logs are written");
      return absl::OkStatus();
    }
    if (ends) continue;  // it still writes its logs
    if (!listed.ok()) return WithAdvice(listed, "the drain goes on; \"carillon drain --undo\" takes it back");
    const auto& drains = nodes.nodes(0).drains();
    auto it = std::find_if(drains.begin(), drains.end(), [&](const auto& each) { return IsSame(each, *status); });
    if (it == drains.end()) {
      status->set_state(v1::DRAIN_STATE_SERVING);
    } else {
      *status = *it;
    }
  }
}

}  // namespace

void AddDrain(CLI::App& app, int* exit_code) {
  CLI::App* command =
      app.add_subcommand(
             "drain",
             "Let nobody new in and send the sessions home: of the gateway, of an app (--app on the command "
             "line) or of an endpoint; or take that back")
          ->group(kAct);
  auto endpoint = std::make_shared<std::string>();
  CLI::Option* has_endpoint = command->add_option("--endpoint", *endpoint, "Only the endpoint at this path");
  auto fields = std::make_shared<FieldFlags>(
      *command, *v1::DrainRequest::descriptor(),
      std::vector<Field>{
          {"--undo", "undo", "Take it back: sessions that have not been told to go stay"},
          {"--exit", "exit", "Of the gateway: end the process when the last client is gone"},
          {"--window", "window", "Over what time sessions are sent home, such as 5m; default as configured"},
          {"--delay", "delay",
           "For how long new clients are still let in; default as configured, for an app or endpoint 0s"}});
  auto wait = std::make_shared<bool>(false);
  command->add_flag("--wait", *wait, "Say how many sessions are left until none is; needs a key that may read");
  auto remote_command = std::make_shared<RemoteCommand>(*command);
  command->callback([=] {
    Interrupt interrupt;
    *exit_code = remote_command->Run([&](const Remote& remote) {
      v1::DrainRequest request;
      bool named_app = command->get_option("--app")->count() > 0;  // a context's app is not what is to go
      bool named_endpoint = has_endpoint->count() > 0;
      if (named_endpoint && endpoint->empty()) return InvalidArgument("--endpoint: is empty");
      if (named_app && named_endpoint) return InvalidArgument("--endpoint: --app was given: one at a time");
      if (named_endpoint) {
        request.set_endpoint(*endpoint);
      } else if (named_app) {
        request.set_app_name(remote.connection().app);
      } else {
        request.set_node(true);
      }
      RETURN_IF_ERROR(fields->Fill(request));
      if (remote_command->print_grpcurl()) return remote_command->PrintGrpcurl(remote, request);
      v1::DrainResponse response;
      RETURN_IF_ERROR(remote.Call(request, &response));
      if (*wait && !request.undo()) RETURN_IF_ERROR(Wait(remote, interrupt, response.mutable_status()));
      return PrintRecord(remote_command->format(), RowOf(response), kColumns);
    });
  });
}

}  // namespace carillon::cli
