#include <cstdio>

#include "tools/cli/commands.h"
#include "tools/cli/config_flags.h"

namespace carillon::cli {

void AddCheckConfig(CLI::App& app, int* exit_code) {
  CLI::App* command =
      app.add_subcommand("check-config", "Check a configuration and say everything that is wrong with it")
          ->group(kConfigure);
  auto flags = std::make_shared<ConfigFlags>(*command);
  command->callback([flags, exit_code] {
    bool good = flags->Load().has_value();
    if (good) std::printf("%s is fine\n", flags->file().empty() ? "the configuration" : flags->file().c_str());
    *exit_code = good ? 0 : 1;
  });
}

}  // namespace carillon::cli
