#include "gateway/engine/stream_rules.h"

#include <fnmatch.h>

namespace carillon::engine {

StreamRules::StreamRules(std::vector<Rule> streams, const LogRule& inbox) : streams_(std::move(streams)) {
  for (Rule& rule : streams_) {
    if (rule.rule.log.mode == LogMode::kLatest) rule.rule.log.messages = 1;
  }
  inbox_.log = inbox;
  if (inbox_.log.mode == LogMode::kLatest) inbox_.log.messages = 1;
}

const TopicRule& StreamRules::Find(const wire::TopicView& topic) const {
  if (topic.kind == wire::TopicKind::kUser) return inbox_;
  if (topic.kind != wire::TopicKind::kStream || streams_.empty()) return default_;
  std::string name(topic.name);  // fnmatch wants an end
  for (const Rule& rule : streams_) {
    if (::fnmatch(rule.pattern.c_str(), name.c_str(), 0) == 0) return rule.rule;
  }
  return default_;
}

}  // namespace carillon::engine
