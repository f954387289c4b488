#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "gateway/base/status.h"

namespace carillon::cli {

// Runs somebody's command with something on its standard input, for what it writes; so many at once, and others wait.
// Any thread may ask it.
class CommandRunner {
 public:
  // `stop` becomes readable when those that run are to be ended. Not empty: the command's name and its arguments.
  CommandRunner(std::vector<std::string> command, int at_once, int stop)
      : command_(std::move(command)), free_(at_once), stop_(stop) {}

  struct Output {
    std::string out;
    std::string err;  // its beginning
  };

  // `variable`, NAME=VALUE, is put into its environment. INTERNAL: it did not start, or ended with another status than
  // 0, and what it wrote to standard error. RESOURCE_EXHAUSTED: it wrote more than 1 MiB. DEADLINE_EXCEEDED, and
  // UNAVAILABLE when all is over: it was killed, with its children, or has not begun.
  StatusOr<Output> Run(const std::string& variable, const std::string& input,
                       std::chrono::system_clock::time_point deadline);

  // Those that wait need not wait any longer.
  void End();

 private:
  const std::vector<std::string> command_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int free_;
  bool over_ = false;
  const int stop_;
};

}  // namespace carillon::cli
