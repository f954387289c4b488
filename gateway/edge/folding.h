#pragma once

#include <string>
#include <vector>

#include "gateway/dialect/dialect.h"

// In apps that fold names, before anything else is done with them: streams are named in lower case. Where a client
// names one twice, in two ways, what it says of the name in lower case counts, or else of that which sorts last. Pure.
namespace carillon::edge {

void FoldNames(std::vector<std::string>* streams);
void FoldNames(dialect::WantedByStream* wanted);
void FoldNames(dialect::Command* command);

}  // namespace carillon::edge
