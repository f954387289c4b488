#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/wire/topic.h"

// How topics are treated: what is kept of them, what becomes of their messages for slow readers, and whether it is
// known who is there. From
// config.proto's StreamRule and LogRule, which say what each one means.
namespace carillon::engine {

enum class LogMode : uint8_t { kNone, kLatest, kLog };

struct LogRule {
  LogMode mode = LogMode::kNone;
  size_t messages = 300;
  size_t max_bytes = 4 << 20;
  std::chrono::milliseconds age{300'000};
  size_t max_replay = 300;

  bool operator==(const LogRule&) const = default;
};

// How a feed of events is kept where nothing is said.
inline constexpr LogRule kFeedRule{LogMode::kLog, 100'000, 32 << 20, std::chrono::hours(1), 300};

enum class SlowPolicy : uint8_t { kDisconnect, kDropOldest, kDropNewest, kConflate };

struct PresenceRule {
  enum class Mode : uint8_t { kByName, kOn, kOff };

  Mode mode = Mode::kByName;
  std::chrono::milliseconds grace{10'000};
  size_t max_members = 200;

  bool operator==(const PresenceRule&) const = default;
};

struct TopicRule {
  LogRule log;
  SlowPolicy slow = SlowPolicy::kDisconnect;
  PresenceRule presence{};

  bool logged() const { return log.mode != LogMode::kNone; }

  // Whether it is known who is there.
  bool KeepsPresence(const wire::TopicView& topic) const {
    if (topic.kind != wire::TopicKind::kStream) return false;
    if (presence.mode != PresenceRule::Mode::kByName) return presence.mode == PresenceRule::Mode::kOn;
    return topic.name.starts_with(wire::kPresencePrefix);
  }

  bool operator==(const TopicRule&) const = default;
};

// How the topics of one app are treated. Immutable. What was found in it lives as long as the process: logs and
// messages refer to it, while the configuration may be loaded again and again. Any thread.
class StreamRules {
 public:
  struct Rule {
    std::string pattern;
    TopicRule rule;
  };

  StreamRules() : StreamRules({}, {}) {}
  // Streams by the first pattern that matches; users by `inbox`, the feed by `events`.
  StreamRules(std::vector<Rule> streams, const LogRule& inbox, const LogRule& events = kFeedRule);

  // The rule of a topic. Sessions and everyone have the default one: no log, slow readers are closed.
  const TopicRule& Find(const wire::TopicView& topic) const;

 private:
  struct Entry {
    std::string pattern;
    const TopicRule* rule;
  };
  std::vector<Entry> streams_;
  const TopicRule* inbox_;
  const TopicRule* events_;
};

// One app's rules.
struct AppRules {
  wire::AppId app = wire::kDefaultApp;
  std::string name{wire::kDefaultAppName};  // as it stands in snapshots
  StreamRules rules;
};

// Those of every app. Immutable; any thread.
class RulesByApp {
 public:
  RulesByApp() : RulesByApp(StreamRules()) {}
  // Of the default app alone.
  RulesByApp(StreamRules rules);  // NOLINT: the usual case
  explicit RulesByApp(std::vector<AppRules> apps);

  // See StreamRules::Find; of an app that is not there, the default rule.
  const TopicRule& Find(const wire::TopicView& topic) const;

  // The app of that name, or what an app is called. Nothing where it is not there.
  std::optional<wire::AppId> IdOf(std::string_view name) const;
  std::optional<std::string> NameOf(wire::AppId app) const;

 private:
  std::vector<AppRules> apps_;
};

}  // namespace carillon::engine
