#include "gateway/engine/stream_rules.h"

#include <deque>
#include <mutex>

#include "gateway/wire/name_pattern.h"

namespace carillon::engine {
namespace {

// The rule of which there is one for all that are alike, for good: there are as many as operators have thought of.
const TopicRule* Interned(TopicRule rule) {
  static std::mutex mutex;
  static auto* rules = new std::deque<TopicRule>();
  if (rule.log.mode == LogMode::kLatest) rule.log.messages = 1;
  std::lock_guard lock(mutex);
  for (const TopicRule& known : *rules) {
    if (known == rule) return &known;
  }
  return &rules->emplace_back(rule);
}

const TopicRule& DefaultRule() {
  static const TopicRule* rule = Interned({});
  return *rule;
}

}  // namespace

StreamRules::StreamRules(std::vector<Rule> streams, const LogRule& inbox, const LogRule& events)
    : inbox_(Interned({inbox, {}})), events_(Interned({events, {}})) {
  for (Rule& rule : streams) streams_.push_back({std::move(rule.pattern), Interned(rule.rule)});
}

const TopicRule& StreamRules::Find(const wire::TopicView& topic) const {
  if (topic.kind == wire::TopicKind::kUser) return *inbox_;
  if (topic.kind == wire::TopicKind::kEvents) return *events_;
  if (topic.kind != wire::TopicKind::kStream || streams_.empty()) return DefaultRule();
  std::string name(topic.name);
  for (const Entry& entry : streams_) {
    if (wire::MatchesPattern(entry.pattern, name)) return *entry.rule;
  }
  return DefaultRule();
}

RulesByApp::RulesByApp(StreamRules rules) {
  apps_.push_back({wire::kDefaultApp, std::string(wire::kDefaultAppName), std::move(rules)});
}

RulesByApp::RulesByApp(std::vector<AppRules> apps) {
  for (AppRules& app : apps) {
    if (apps_.size() <= app.app) apps_.resize(app.app + size_t{1}, AppRules{wire::kDefaultApp, "", {}});
    wire::AppId id = app.app;
    apps_[id] = std::move(app);
  }
}

const TopicRule& RulesByApp::Find(const wire::TopicView& topic) const {
  return topic.app < apps_.size() ? apps_[topic.app].rules.Find(topic) : DefaultRule();
}

std::optional<wire::AppId> RulesByApp::IdOf(std::string_view name) const {
  for (const AppRules& app : apps_) {
    if (app.name == name) return app.app;
  }
  return std::nullopt;
}

std::optional<std::string> RulesByApp::NameOf(wire::AppId app) const {
  if (app >= apps_.size() || apps_[app].name.empty()) return std::nullopt;
  return apps_[app].name;
}

}  // namespace carillon::engine
