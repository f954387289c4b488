#pragma once

#include <CLI/CLI.hpp>

// The subcommands of the binary. Each adds itself to the command line and runs when it was chosen; *exit_code is then
// what the process ends with: 0 fine, 1 failed, 2 wrong usage.
namespace carillon::cli {

void AddServe(CLI::App& app, int* exit_code);
void AddCheckConfig(CLI::App& app, int* exit_code);
void AddToken(CLI::App& app, int* exit_code);
void AddCheckToken(CLI::App& app, int* exit_code);
void AddVersion(CLI::App& app, int* exit_code);
void AddBench(CLI::App& app, int* exit_code);

}  // namespace carillon::cli
