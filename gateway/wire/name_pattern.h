#pragma once

#include <string>
#include <vector>

// Patterns of stream names, as the configuration writes them: "*" stands for any characters, "?" for one, [a-z] for a
// set (as in a shell).
namespace carillon::wire {

bool MatchesPattern(const std::string& pattern, const std::string& name);

// Why a text is no pattern that a stream's name could match, or empty.
std::string PatternProblem(const std::string& pattern);

}  // namespace carillon::wire
