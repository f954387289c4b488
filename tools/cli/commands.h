#pragma once

#include <CLI/CLI.hpp>

// The subcommands of the binary. Each adds itself to the command line and runs when it was chosen; *exit_code is then
// what the process ends with (outcome.h).
namespace carillon::cli {

// What they are for: the headings of the help, in its order.
inline constexpr char kRun[] = "Run";
inline constexpr char kConfigure[] = "Configure";
inline constexpr char kUse[] = "Use";
inline constexpr char kLook[] = "Look";
inline constexpr char kAct[] = "Act";
inline constexpr char kMeasure[] = "Measure";
inline constexpr char kDiagnose[] = "Diagnose";
inline constexpr char kConvenience[] = "Convenience";

void AddServe(CLI::App& app, int* exit_code);
void AddCheckConfig(CLI::App& app, int* exit_code);
void AddToken(CLI::App& app, int* exit_code);
void AddCheckToken(CLI::App& app, int* exit_code);
void AddPublish(CLI::App& app, int* exit_code);
void AddSend(CLI::App& app, int* exit_code);
void AddWatch(CLI::App& app, int* exit_code);
void AddTail(CLI::App& app, int* exit_code);
void AddHooks(CLI::App& app, int* exit_code);
void AddUnaryCommands(CLI::App& app, int* exit_code);
void AddDrain(CLI::App& app, int* exit_code);
void AddConfigCommands(CLI::App& app, int* exit_code);
void AddTop(CLI::App& app, int* exit_code);
void AddBench(CLI::App& app, int* exit_code);
void AddHealth(CLI::App& app, int* exit_code);
void AddDoctor(CLI::App& app, int* exit_code);
void AddVersion(CLI::App& app, int* exit_code);
void AddContext(CLI::App& app, int* exit_code);
void AddCompletion(CLI::App& app, int* exit_code);

}  // namespace carillon::cli
