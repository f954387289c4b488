#include "tools/cli/commands.h"

int main(int argc, char** argv) {
  CLI::App app("Carillon: a realtime gateway. Backends speak gRPC, browsers keep their client library.", "carillon");
  app.require_subcommand(1);
  int exit_code = 0;
  carillon::cli::AddServe(app, &exit_code);
  carillon::cli::AddCheckConfig(app, &exit_code);
  carillon::cli::AddToken(app, &exit_code);
  carillon::cli::AddCheckToken(app, &exit_code);
  carillon::cli::AddVersion(app, &exit_code);
  carillon::cli::AddBench(app, &exit_code);
  if (argc > 1 && argv[1][0] != '-') {
    std::string known;
    bool found = false;
    for (const CLI::App* command : app.get_subcommands(nullptr)) {
      found = found || command->get_name() == argv[1];
      known += " " + command->get_name();
    }
    if (!found) {
      std::fprintf(stderr, "there is no command \"%s\"; there are:%s\n", argv[1], known.c_str());
      return 2;
    }
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return exit_code;
}
