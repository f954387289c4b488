#include <algorithm>
#include <string_view>
#include <vector>

#include "gateway/server/config_values.h"
#include "tools/cli/commands.h"
#include "tools/cli/outcome.h"

namespace carillon::cli {
namespace {

// Where there is no such command: the one that was probably meant, and all of them, by what they are for.
int SayUnknown(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
  std::string nearest = server::NearestName(word, names);
  Say(fmt::format("there is no command \"{}\"{}; there are:", word, nearest.empty() ? "" : " (" + nearest + "?)"));
  for (const char* group : {kRun, kConfigure, kUse, kLook, kAct, kMeasure, kDiagnose, kConvenience}) {
    std::string line = fmt::format("  {:12}", group);
    for (const CLI::App* command : app.get_subcommands(nullptr)) {
      if (command->get_group() == group) line += " " + command->get_name();
    }
    Say(line);
  }
  Say("try: carillon COMMAND --help");
  return kWrongUsage;
}

// What a command does not take. What stands behind an unknown flag may be a key, and is not said.
int SayExtras(const CLI::App& app) {
  std::vector<std::string> extras;
  bool after_flag = false;
  for (const std::string& word : app.remaining(true)) {
    bool flag = word.starts_with('-');
    size_t shown = !flag ? word.size() : word.starts_with("--") ? word.find('=') : 2;
    if (flag || !after_flag) extras.push_back(word.substr(0, shown));
    after_flag = flag;
  }
  std::string command;
  for (const CLI::App* each : app.get_subcommands()) command = each->get_name();
  Say(fmt::format("{} does not take {}", command, fmt::join(extras, ", ")));
  Say(fmt::format("try: carillon {} --help", command));
  return kWrongUsage;
}

}  // namespace
}  // namespace carillon::cli

int main(int argc, char** argv) {
  using namespace carillon::cli;  // NOLINT(google-build-using-namespace)
  CLI::App app("Carillon: a realtime gateway. Backends speak gRPC, browsers keep their client library.", "carillon");
  app.require_subcommand(1);
  int exit_code = kOk;
  for (auto* add : {AddServe, AddCheckConfig, AddToken, AddCheckToken, AddPublish, AddSend, AddWatch, AddTail, AddHooks,
                    AddUnaryCommands, AddDrain, AddConfigCommands, AddTop, AddBench, AddHealth, AddDoctor, AddVersion,
                    AddContext, AddCompletion}) {
    add(app, &exit_code);
  }
  auto commands = app.get_subcommands(nullptr);
  bool known = argc < 2 || argv[1][0] == '-' ||
               std::any_of(commands.begin(), commands.end(),
                           [&](const CLI::App* command) { return command->get_name() == argv[1]; });
  if (!known) return SayUnknown(app, argv[1]);
  if (argc > 2 && argv[1][0] == '-' && argv[1] != std::string_view("--help") && argv[1] != std::string_view("-h")) {
    Say("flags come behind the command: carillon COMMAND --flag; try: carillon --help");
    return kWrongUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError&) {
    return SayExtras(app);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kWrongUsage;
  }
  return exit_code;
}
