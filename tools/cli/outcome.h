#pragma once

#include <string>
#include <string_view>

#include "gateway/base/status.h"

// How a command ends: an exit code, and where something is wrong one line that says what and one that says what to try.
namespace carillon::cli {

inline constexpr int kOk = 0;
inline constexpr int kFailed = 1;
inline constexpr int kWrongUsage = 2;
inline constexpr int kUnreachable = 3;
inline constexpr int kDenied = 4;

// The same status with its own advice, in place of the usual one of its code. The first advice stays.
Status WithAdvice(Status status, std::string_view advice);

// Something that has no code of its own went wrong: exit code 1.
Status Failed(std::string_view what, std::string_view advice);

// What to do about it.
std::string AdviceOf(const Status& status);

int ExitCodeOf(const Status& status);

// Says on standard error what is wrong, unless all is well, and returns the exit code. CANCELLED says nothing: it
// stands for a reader of our output who has seen enough.
int Report(const Status& status);

// A line on standard error. What came from elsewhere cannot play tricks on a terminal.
void Say(std::string_view text);

// The text as a terminal may have it: what a terminal would obey is escaped.
std::string Shown(std::string_view text);

}  // namespace carillon::cli
