#include "gateway/wire/filter.h"

#include <algorithm>
#include <string_view>

namespace carillon::wire {
namespace {

bool IsMeant(std::string_view event, std::string_view pattern) {
  if (!pattern.ends_with('*')) return event == pattern;
  return event.starts_with(pattern.substr(0, pattern.size() - 1));
}

}  // namespace

bool Filter::Passes(const v1::Envelope& envelope) const {
  bool named = events.empty() || std::any_of(events.begin(), events.end(), [&](const std::string& pattern) {
                 return IsMeant(envelope.event(), pattern);
               });
  auto has = [&](const auto& wanted) {
    auto it = envelope.meta().find(wanted.first);
    return it != envelope.meta().end() && it->second == wanted.second;
  };
  return named && std::all_of(meta.begin(), meta.end(), has) && std::all_of(imposed.begin(), imposed.end(), has);
}

size_t Filter::bytes() const {
  size_t total = 0;
  for (const std::string& event : events) total += event.size();
  for (const auto& [key, value] : meta) total += key.size() + value.size();
  return total;
}

}  // namespace carillon::wire
