#include "tools/cli/commands.h"

int main(int argc, char** argv) {
  CLI::App app("Carillon: a realtime gateway. Backends speak gRPC, browsers keep their client library.", "carillon");
  app.require_subcommand(1);
  int exit_code = 0;
  carillon::cli::AddServe(app, &exit_code);
  carillon::cli::AddCheckConfig(app, &exit_code);
  carillon::cli::AddToken(app, &exit_code);
  carillon::cli::AddVersion(app, &exit_code);
  carillon::cli::AddBench(app, &exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return exit_code;
}
