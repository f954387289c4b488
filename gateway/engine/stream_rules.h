#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "gateway/wire/topic.h"

// How topics are treated: what is kept of them, and what becomes of their messages for slow readers. From
// config.proto's StreamRule and LogRule, which say what each one means.
namespace carillon::engine {

enum class LogMode : uint8_t { kNone, kLatest, kLog };

struct LogRule {
  LogMode mode = LogMode::kNone;
  size_t messages = 300;
  size_t max_bytes = 4 << 20;
  std::chrono::milliseconds age{300'000};
  size_t max_replay = 300;
};

enum class SlowPolicy : uint8_t { kDisconnect, kDropOldest, kDropNewest, kConflate };

struct TopicRule {
  LogRule log;
  SlowPolicy slow = SlowPolicy::kDisconnect;

  bool logged() const { return log.mode != LogMode::kNone; }
};

// Immutable; outlives everything that was found in it. Any thread.
class StreamRules {
 public:
  struct Rule {
    std::string pattern;
    TopicRule rule;
  };

  StreamRules() = default;
  // Streams by the first pattern that matches; users by `inbox`.
  StreamRules(std::vector<Rule> streams, const LogRule& inbox);

  // The rule of a topic. Sessions and everyone have the default one: no log, slow readers are closed.
  const TopicRule& Find(const wire::TopicView& topic) const;

 private:
  std::vector<Rule> streams_;
  TopicRule inbox_;
  TopicRule default_;
};

}  // namespace carillon::engine
