#include "gateway/auth/catalogue.h"

#include <algorithm>
#include <charconv>

#include "gateway/wire/name_pattern.h"
#include "gateway/wire/topic.h"

namespace carillon::auth {
namespace {

// What every event without a rule of its own has.
const ClientEventRule& AnyEvent() {
  static const ClientEventRule* rule = new ClientEventRule();
  return *rule;
}

}  // namespace

bool Access::Allows(const std::string& stream, const Identity* identity, bool granted) const {
  if (who == Who::kNobody) return false;
  if (granted || who == Who::kAnyone) return true;
  bool more = !roles.empty() || !owners.empty();
  if (who == Who::kByName && !more && !wire::NeedsIdentity(stream)) return true;
  if (identity == nullptr) return false;
  if (who == Who::kIdentified || (who == Who::kByName && !more)) return true;
  bool has_role = std::any_of(roles.begin(), roles.end(), [&](const std::string& role) {
    return std::find(identity->roles.begin(), identity->roles.end(), role) != identity->roles.end();
  });
  return has_role || std::any_of(owners.begin(), owners.end(),
                                 [&](const std::string& pattern) { return Expand(pattern, *identity) == stream; });
}

std::optional<Rate> Rate::Parse(std::string_view text) {
  Rate rate;
  size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto [end, error] = std::from_chars(text.data(), text.data() + slash, rate.count);
  if (error != std::errc() || end != text.data() + slash || rate.count == 0) return std::nullopt;
  std::string_view window = text.substr(slash + 1);
  uint32_t number = 0;
  auto [unit, bad] = std::from_chars(window.data(), window.data() + window.size(), number);
  std::string_view name(unit, static_cast<size_t>(window.data() + window.size() - unit));
  constexpr uint32_t kMostHours = 24;
  if (bad != std::errc() || number == 0) return std::nullopt;
  if (name == "ms" && number >= 1) {
    rate.window = std::chrono::milliseconds(number);
  } else if (name == "s") {
    rate.window = std::chrono::seconds(number);
  } else if (name == "m") {
    rate.window = std::chrono::minutes(number);
  } else if (name == "h") {
    rate.window = std::chrono::hours(number);
  } else {
    return std::nullopt;
  }
  if (rate.window > std::chrono::hours(kMostHours)) return std::nullopt;
  return rate;
}

std::optional<std::map<std::string, std::string>> StreamAccess::FilterFor(const Identity* identity) const {
  static const Identity* nobody = new Identity();
  std::map<std::string, std::string> expanded;
  for (const auto& [key, pattern] : filter) {
    auto value = Expand(pattern, identity == nullptr ? *nobody : *identity);
    if (!value.has_value()) return std::nullopt;
    expanded.emplace(key, *std::move(value));
  }
  return expanded;
}

const ClientEventRule* StreamAccess::FindEvent(std::string_view event) const {
  if (events.empty()) return &AnyEvent();
  for (const ClientEventRule& rule : events) {
    if (MatchesEvent(rule.event, event)) return &rule;
  }
  return nullptr;
}

bool MatchesEvent(std::string_view rule, std::string_view event) {
  return rule.ends_with('*') ? event.starts_with(rule.substr(0, rule.size() - 1)) : event == rule;
}

Catalogue::Catalogue(std::vector<StreamAccess> rules) : rules_(std::move(rules)) {
  for (const StreamAccess& rule : rules_) asks_backends_ = asks_backends_ || !rule.subscribe_hook.empty();
}

const StreamAccess& Catalogue::Find(const std::string& stream) const {
  for (const StreamAccess& rule : rules_) {
    if (wire::MatchesPattern(rule.pattern, stream)) return rule;
  }
  return otherwise_;
}

bool Grants(const Identity* identity, std::string_view stream) {
  return identity != nullptr &&
         std::find(identity->streams.begin(), identity->streams.end(), stream) != identity->streams.end();
}

}  // namespace carillon::auth
