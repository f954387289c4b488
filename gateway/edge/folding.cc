#include "gateway/edge/folding.h"

#include <iterator>
#include <map>
#include <utility>

#include "gateway/wire/topic.h"

namespace carillon::edge {
namespace {

template <class Value>
void FoldKeys(StringMap<Value>* map) {
  std::map<std::string, Value> sorted(std::make_move_iterator(map->begin()), std::make_move_iterator(map->end()));
  map->clear();
  for (auto it = sorted.rbegin(); it != sorted.rend(); ++it) {  // lower case sorts last
    std::string name = it->first;
    wire::FoldName(&name);
    map->try_emplace(std::move(name), std::move(it->second));
  }
}

void Fold(dialect::Subscribe* command) {
  FoldNames(&command->streams);
  FoldNames(&command->wanted);
  FoldKeys(&command->tokens);
}
void Fold(dialect::Unsubscribe* command) {
  FoldNames(&command->streams);
}
void Fold(dialect::Auth* command) {
  FoldNames(&command->wanted);
}
void Fold(dialect::Publish* command) {
  wire::FoldName(&command->stream);
}
void Fold(dialect::ListMembers* command) {
  wire::FoldName(&command->stream);
}
void Fold(dialect::SetMood* command) {
  wire::FoldName(&command->stream);
}
// These name no streams.
void Fold(dialect::Ping*) {}
void Fold(dialect::Sync*) {}
void Fold(dialect::Echo*) {}
void Fold(dialect::Nonsense*) {}
void Fold(dialect::Refused*) {}

}  // namespace

void FoldNames(std::vector<std::string>* streams) {
  for (std::string& stream : *streams) wire::FoldName(&stream);
}

void FoldNames(dialect::WantedByStream* wanted) {
  FoldKeys(&wanted->streams);
}

void FoldNames(dialect::Command* command) {
  std::visit([](auto& kind) { Fold(&kind); }, *command);
}

}  // namespace carillon::edge
