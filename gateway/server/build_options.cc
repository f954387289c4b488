#include "gateway/server/build_options.h"

#include <algorithm>
#include <thread>

#include "gateway/base/check.h"
#include "gateway/server/config_values.h"
#include "gateway/server/version.h"

namespace carillon::server {
namespace {

edge::EndpointRules EndpointOf(const v1::Endpoint& endpoint) {
  edge::EndpointRules rules;
  rules.path = endpoint.path();
  rules.app = endpoint.app();
  rules.anonymous = endpoint.anonymous();
  rules.close_on_refusal = endpoint.reject_mode() == v1::REJECT_MODE_CLOSE;
  rules.require_subprotocol = endpoint.require_subprotocol();
  rules.send_buffer_bytes = endpoint.send_buffer_bytes();
  hub::SessionSettings& session = rules.session;
  session.dialect = endpoint.dialect() == v1::DIALECT_KIND_ECHO ? &dialect::EchoBack() : &dialect::Native();
  session.ping_interval = ToMilliseconds(endpoint.ping_interval());
  session.peer_timeout = ToMilliseconds(endpoint.peer_timeout());
  session.auth_timeout = ToMilliseconds(endpoint.auth_timeout());
  session.write_deadline = ToMilliseconds(endpoint.write_deadline());
  session.outbox_patience = ToMilliseconds(endpoint.outbox_patience());
  session.max_message_bytes = endpoint.max_message_bytes();
  session.outbox_bytes = endpoint.outbox_bytes();
  session.outbox_messages = endpoint.outbox_messages();
  session.max_subscriptions = endpoint.max_subscriptions();
  session.messages_per_second = endpoint.messages_per_second();
  session.idle_timeout = ToMilliseconds(endpoint.idle_timeout());
  return rules;
}

engine::LogRule LogRuleOf(const v1::LogRule& from) {
  engine::LogRule rule;
  switch (from.mode()) {
    case v1::LOG_MODE_LATEST:
      rule.mode = engine::LogMode::kLatest;
      break;
    case v1::LOG_MODE_LOG:
      rule.mode = engine::LogMode::kLog;
      break;
    default:
      rule.mode = engine::LogMode::kNone;
  }
  rule.messages = from.messages();
  rule.max_bytes = from.max_bytes();
  rule.age = ToMilliseconds(from.age());
  rule.max_replay = from.max_replay();
  return rule;
}

engine::SlowPolicy SlowPolicyOf(v1::SlowPolicy policy) {
  switch (policy) {
    case v1::SLOW_POLICY_DROP_OLDEST:
      return engine::SlowPolicy::kDropOldest;
    case v1::SLOW_POLICY_DROP_NEWEST:
      return engine::SlowPolicy::kDropNewest;
    case v1::SLOW_POLICY_CONFLATE:
      return engine::SlowPolicy::kConflate;
    default:
      return engine::SlowPolicy::kDisconnect;
  }
}

engine::PresenceRule PresenceRuleOf(const v1::StreamRule& from) {
  using Mode = engine::PresenceRule::Mode;
  engine::PresenceRule rule;
  switch (from.presence().mode()) {
    case v1::PRESENCE_MODE_ON:
      rule.mode = Mode::kOn;
      break;
    case v1::PRESENCE_MODE_OFF:
      rule.mode = Mode::kOff;
      break;
    default:
      rule.mode = from.subscribe().filter().empty() ? Mode::kByName : Mode::kOff;
  }
  rule.grace = ToMilliseconds(from.presence().grace());
  rule.max_members = from.presence().max_members();
  return rule;
}

engine::StreamRules RulesOf(const google::protobuf::RepeatedPtrField<v1::StreamRule>& streams, const v1::LogRule& inbox,
                            const v1::EventsRule& events) {
  std::vector<engine::StreamRules::Rule> rules;
  for (const v1::StreamRule& rule : streams) {
    rules.push_back({rule.pattern(), {LogRuleOf(rule.log()), SlowPolicyOf(rule.slow()), PresenceRuleOf(rule)}});
  }
  engine::LogRule feed;
  feed.mode = events.messages() == 0 ? engine::LogMode::kNone : engine::LogMode::kLog;
  feed.messages = events.messages();
  feed.max_bytes = events.max_bytes();
  feed.age = ToMilliseconds(events.age());
  return {std::move(rules), LogRuleOf(inbox), feed};
}

auth::Access::Who WhoOf(v1::StreamAccess who) {
  switch (who) {
    case v1::STREAM_ACCESS_ANYONE:
      return auth::Access::Who::kAnyone;
    case v1::STREAM_ACCESS_IDENTIFIED:
      return auth::Access::Who::kIdentified;
    case v1::STREAM_ACCESS_GRANTED:
      return auth::Access::Who::kGranted;
    case v1::STREAM_ACCESS_NOBODY:
      return auth::Access::Who::kNobody;
    default:
      return auth::Access::Who::kByName;
  }
}

template <class Rule>  // SubscribeRule or PublishRule
auth::Access AccessOf(const Rule& rule) {
  return {WhoOf(rule.who()), {rule.roles().begin(), rule.roles().end()}, {rule.owners().begin(), rule.owners().end()}};
}

auth::Verb VerbOf(int verb) {
  switch (verb) {
    case v1::CONTROL_VERB_READ:
      return auth::Verb::kRead;
    case v1::CONTROL_VERB_ADMIN:
      return auth::Verb::kAdmin;
    default:
      return auth::Verb::kPublish;
  }
}

auth::EventAction ActionOf(v1::EventAction action) {
  using To = auth::EventAction;
  switch (action) {
    case v1::EVENT_ACTION_PRESENCE:
      return To::kPresence;
    case v1::EVENT_ACTION_PUBLISH:
      return To::kPublish;
    case v1::EVENT_ACTION_SUBSCRIBE:
      return To::kSubscribe;
    case v1::EVENT_ACTION_UNSUBSCRIBE:
      return To::kUnsubscribe;
    case v1::EVENT_ACTION_SYNC:
      return To::kSync;
    case v1::EVENT_ACTION_REFUSE:
      return To::kRefuse;
    case v1::EVENT_ACTION_NONE:
      return To::kNone;
    default:
      return To::kFeed;
  }
}

}  // namespace

hub::NodeOptions NodeOptionsOf(const v1::Config& config) {
  hub::NodeOptions options;
  unsigned processors = std::clamp(std::thread::hardware_concurrency(), 1U, unsigned{kMaxShards});
  options.shards = static_cast<ShardIndex>(config.hub().shards() == 0 ? processors : config.hub().shards());
  options.mailbox_messages = config.hub().mailbox_messages();
  options.mailbox_bytes = config.hub().mailbox_bytes();
  return options;
}

engine::RulesByApp StreamRulesOf(const v1::Config& config, const auth::Apps& apps) {
  std::vector<engine::AppRules> rules;
  rules.push_back({wire::kDefaultApp, apps.Default().name, RulesOf(config.streams(), config.inbox(), config.events())});
  for (const v1::AppConfig& from : config.apps()) {
    rules.push_back(
        {apps.FindByName(from.name())->id, from.name(), RulesOf(from.streams(), from.inbox(), from.events())});
  }
  return engine::RulesByApp(std::move(rules));
}

engine::MemoryEngineOptions EngineOptionsOf(const v1::Config& config, uint64_t memory_limit, const auth::Apps& apps) {
  engine::MemoryEngineOptions options;
  options.rules = StreamRulesOf(config, apps);
  options.log_bytes = LogBytesOf(config, memory_limit);
  options.request_ids = config.limits().request_ids();
  return options;
}

size_t LogBytesOf(const v1::Config& config, uint64_t memory_limit) {
  size_t bytes = config.engine().memory().log_bytes();
  return memory_limit > 0 ? std::min<size_t>(bytes, memory_limit / 2) : bytes;
}

DrainOptions DrainOptionsOf(const v1::Config& config) {
  const v1::DrainConfig& drain = config.drain();
  return {ToMilliseconds(drain.delay()), ToMilliseconds(drain.window()), ToMilliseconds(drain.timeout()),
          ToMilliseconds(drain.control_timeout()), config.engine().memory().snapshot()};
}

edge::EdgeOptions EdgeOptionsOf(const v1::Config& config, size_t max_connections, size_t max_sockets) {
  edge::EdgeOptions options;
  options.listen = config.edge().listen();
  for (const v1::Endpoint& endpoint : config.edge().endpoints()) {
    if (endpoint.enabled()) options.endpoints.push_back(EndpointOf(endpoint));
  }
  if (config.edge().endpoints().empty()) {
    v1::Endpoint endpoint;
    SetDefaults(endpoint);
    options.endpoints.push_back(EndpointOf(endpoint));
  }
  options.timeouts.accept = ToMilliseconds(config.edge().accept_timeout());
  options.timeouts.request = ToMilliseconds(config.edge().request_timeout());
  options.max_connections = max_connections;
  options.max_sockets = max_sockets;
  options.demo_page = config.edge().demo_page();
  options.limits = ConnectionLimitsOf(config);
  return options;
}

edge::AdmissionRules AdmissionRulesOf(const v1::Config& config) {
  auto proxies =
      edge::TrustedProxies::Parse({config.edge().trusted_proxies().begin(), config.edge().trusted_proxies().end()});
  CARILLON_CHECK(proxies.ok());  // CheckRules looked
  return {*std::move(proxies), config.edge().app_domain()};
}

edge::ConnectionLimitSettings ConnectionLimitsOf(const v1::Config& config) {
  const v1::LimitsConfig& limits = config.limits();
  return {limits.handshakes(), limits.handshakes_per_address(), limits.connections_per_address()};
}

auth::ApiKeys ApiKeysOf(const v1::Config& config) {
  auth::ApiKeys keys;
  for (const v1::ControlKey& key : config.control().keys()) {
    auth::ApiKey made{
        key.name(), {}, {key.apps().begin(), key.apps().end()}, {key.streams().begin(), key.streams().end()}};
    for (int verb : key.verbs()) made.verbs.push_back(VerbOf(verb));
    if (made.apps.empty()) made.apps.emplace_back(wire::kDefaultAppName);
    keys.Add(std::move(made), key.secret());
  }
  return keys;
}

control::ControlOptions ControlOptionsOf(const v1::Config& config) {
  control::ControlOptions options;
  options.listen = config.control().listen();
  options.reflection = config.control().reflection();
  options.max_publish_bytes = config.limits().max_publish_bytes();
  options.keys = ApiKeysOf(config);
  options.version = kVersion;
  const v1::ControlTls& tls = config.control().tls();
  options.tls = {tls.cert_file(), tls.key_file(), tls.client_ca_file()};
  return options;
}

auth::Catalogue CatalogueOf(const google::protobuf::RepeatedPtrField<v1::StreamRule>& rules, uint64_t most) {
  std::vector<auth::StreamAccess> list;
  for (const v1::StreamRule& rule : rules) {
    auth::StreamAccess& access = list.emplace_back();
    access.pattern = rule.pattern();
    access.description = rule.description();
    access.reserved = rule.state() == v1::STREAM_STATE_RESERVED;
    access.subscribe = AccessOf(rule.subscribe());
    access.subscribe_hook = rule.subscribe().hook();
    for (const v1::ImposedMeta& meta : rule.subscribe().filter()) access.filter[meta.key()] = meta.value();
    access.publish = AccessOf(rule.publish());
    bool silent = access.publish.who == auth::Access::Who::kByName && access.publish.roles.empty() &&
                  access.publish.owners.empty();
    access.publish_hook = rule.publish().hook();
    if (silent)
      access.publish.who = access.publish_hook.empty() ? auth::Access::Who::kNobody : auth::Access::Who::kAnyone;
    for (const v1::ClientEvent& event : rule.publish().events()) {
      access.events.push_back({event.event(), auth::Rate::Parse(event.rate()).value_or(auth::Rate())});
    }
    access.moods = auth::Rate::Parse(rule.presence().updates()).value_or(auth::Rate());
    access.max_payload_bytes = std::min(rule.publish().max_payload_bytes(), most);
  }
  return auth::Catalogue(std::move(list));
}

auth::ClientEvents ClientEventsOf(const google::protobuf::RepeatedPtrField<v1::EventRule>& rules, uint64_t most) {
  std::vector<auth::EventRule> list;
  for (const v1::EventRule& rule : rules) {
    list.push_back({rule.event(), ActionOf(rule.action()), rule.stream(), rule.anonymous(),
                    auth::Rate::Parse(rule.rate()).value_or(auth::Rate()), std::min(rule.max_payload_bytes(), most),
                    rule.hook()});
  }
  return auth::ClientEvents(std::move(list));
}

auth::HookRules HookRulesOf(const v1::AuthHook& hook) {
  return {hook.backend(),
          {hook.cookies().begin(), hook.cookies().end()},
          {hook.headers().begin(), hook.headers().end()},
          ToMilliseconds(hook.lifetime())};
}

log::Level LogLevelOf(const v1::Config& config) {
  switch (config.log().level()) {
    case v1::LOG_LEVEL_DEBUG:
      return log::Level::kDebug;
    case v1::LOG_LEVEL_WARN:
      return log::Level::kWarn;
    case v1::LOG_LEVEL_ERROR:
      return log::Level::kError;
    default:
      return log::Level::kInfo;
  }
}

log::Format LogFormatOf(const v1::Config& config, bool on_terminal) {
  switch (config.log().format()) {
    case v1::LOG_FORMAT_TEXT:
      return log::Format::kText;
    case v1::LOG_FORMAT_JSON:
      return log::Format::kJson;
    default:
      return on_terminal ? log::Format::kText : log::Format::kJson;
  }
}

}  // namespace carillon::server
