#include <algorithm>
#include <boost/json/object.hpp>

#include "tools/cli/commands.h"
#include "tools/cli/doctor_checks.h"
#include "tools/cli/outcome.h"

namespace carillon::cli {
namespace {

constexpr const char* kMarks[] = {"✓", "✗", "-"};  // by Check::Result
constexpr const char* kWords[] = {"good", "bad", "note"};

Status PrintTable(const Checks& checks) {
  for (const Check& check : checks) {
    auto result = static_cast<size_t>(check.result);
    RETURN_IF_ERROR(Print(fmt::format("{} {:14} {}\n", kMarks[result], check.name, Shown(check.said))));
    if (!check.advice.empty()) RETURN_IF_ERROR(Print(fmt::format("  {:14} try: {}\n", "", Shown(check.advice))));
  }
  return absl::OkStatus();
}

Status PrintRows(Format format, const Checks& checks) {
  ListPrinter printer(format, {});
  for (const Check& check : checks) {
    RETURN_IF_ERROR(printer.Add({{"check", check.name},
                                 {"result", kWords[static_cast<size_t>(check.result)]},
                                 {"said", check.said},
                                 {"advice", check.advice}}));
  }
  return printer.End();
}

}  // namespace

void AddDoctor(CLI::App& app, int* exit_code) {
  CLI::App* command = app.add_subcommand("doctor",
                                         "Check one thing after another and say what to do: the gateway, the key, this "
                                         "machine. Exit code 1 where something is wrong")
                          ->group(kDiagnose);
  auto config_file = std::make_shared<std::string>();
  CLI::Option* config =
      command->add_option("-c,--config", *config_file, "Also check this configuration, and the machine for it");
  auto remote_command = std::make_shared<RemoteCommand>(*command);
  command->callback([=] {
    *exit_code = remote_command->Run([&](const Remote& remote) {
      if (remote_command->print_grpcurl()) return InvalidArgument("--print-grpcurl: no call of grpcurl does all this");
      Checks checks = CheckGateway(remote);
      if (config->count() > 0) {
        bool answers = checks.front().result == Check::Result::kGood;
        for (Check& check : CheckMachine(*config_file, answers)) checks.push_back(std::move(check));
      }
      Format format = remote_command->format();
      RETURN_IF_ERROR(format == Format::kTable ? PrintTable(checks) : PrintRows(format, checks));
      auto bad = std::count_if(checks.begin(), checks.end(),
                               [](const Check& check) { return check.result == Check::Result::kBad; });
      if (bad == 0) return absl::OkStatus();
      return Failed(fmt::format("{} of {} checks found something wrong", bad, checks.size()),
                    "do what is said beside each");
    });
  });
}

}  // namespace carillon::cli
