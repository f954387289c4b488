#include "gateway/edge/connection_limits.h"

#include "gateway/base/random.h"

namespace carillon::edge {
namespace {

// Settings.
constexpr char kRate[] = "limits.handshakes";
constexpr char kPerAddressRate[] = "limits.handshakes_per_address";
constexpr char kPerAddress[] = "limits.connections_per_address";

constexpr size_t kLeastSweep = 1024;
constexpr size_t kNetworkBytes = 8;  // of an IPv6 address: /64

TokenBucket BucketOf(uint32_t rate) {
  return {2.0F * static_cast<float>(rate), std::chrono::seconds(2)};
}

// Of a rate, what its burst has.
LimitUse UseOf(const char* limit, const TokenBucket& rate, const char* setting) {
  return {limit, "", static_cast<size_t>(rate.used()), static_cast<size_t>(rate.burst()), setting};
}

}  // namespace

std::pair<std::string, std::string> RetryAfter() {
  return {"Retry-After", std::to_string(1 + RandomBits() % 10)};
}

const char* UserSetting(const auth::App& app) {
  return app.is_default() ? "limits.connections_per_user" : "apps[].limits.connections_per_user";
}

const char* StreamsSetting(const auth::App& app) {
  return app.is_default() ? "limits.streams" : "apps[].limits.streams";
}

ConnectionLimits::ConnectionLimits(const ConnectionLimitSettings& settings, const hub::Node& node) : node_(node) {
  Set(settings);
}

void ConnectionLimits::Set(const ConnectionLimitSettings& settings) {
  std::lock_guard lock(mutex_);
  if (settings.handshakes != settings_.handshakes) all_.reset();
  if (settings.handshakes > 0 && !all_.has_value()) all_ = BucketOf(settings.handshakes);
  if (settings.handshakes_per_address != settings_.handshakes_per_address) {
    for (auto& [key, entry] : addresses_) entry.rate = BucketOf(settings.handshakes_per_address);
  }
  settings_ = settings;
}

std::string ConnectionLimits::KeyOf(const Address& address) {
  if (address.is_v4()) {
    auto bytes = address.to_v4().to_bytes();
    return {bytes.begin(), bytes.end()};
  }
  auto bytes = address.to_v6().to_bytes();
  return {bytes.begin(), bytes.begin() + kNetworkBytes};
}

ConnectionLimits::Entry& ConnectionLimits::EntryOf(const std::string& key, Clock::time_point now) {
  auto it = addresses_.find(key);
  if (it == addresses_.end()) {
    if (addresses_.size() >= sweep_at_) {
      // After two seconds a bucket is full again, as a new one is.
      absl::erase_if(addresses_, [now](const auto& item) {
        return item.second.sessions == 0 && now - item.second.used > std::chrono::seconds(2);
      });
      sweep_at_ = std::max(kLeastSweep, 2 * addresses_.size());
    }
    it = addresses_.try_emplace(key, Entry{0, BucketOf(settings_.handshakes_per_address), now}).first;
  }
  it->second.used = now;
  return it->second;
}

std::optional<HttpError> ConnectionLimits::CheckRates(const Address* address, Clock::time_point now) {
  std::lock_guard lock(mutex_);
  if (address != nullptr && settings_.handshakes_per_address > 0) {
    TokenBucket& rate = EntryOf(KeyOf(*address), now).rate;
    if (!rate.Take(now)) {
      return HttpError{
          429,
          "address_rate",
          fmt::format("more than {} connections a second from one address", settings_.handshakes_per_address),
          kPerAddressRate,
          {RetryAfter()}};
    }
    if (rate.ComesNear()) warnings_.Tell(UseOf("address_rate", rate, kPerAddressRate), NetworkOf(*address));
  }
  if (all_.has_value()) {
    if (!all_->Take(now)) {
      return HttpError{503,
                       "accept_rate",
                       fmt::format("more than {} connections a second", settings_.handshakes),
                       kRate,
                       {RetryAfter()}};
    }
    if (all_->ComesNear()) warnings_.Tell(UseOf("accept_rate", *all_, kRate), "");
  }
  return std::nullopt;
}

std::optional<HttpError> ConnectionLimits::Enter(const Address* address, std::shared_ptr<void>* place) {
  if (address == nullptr) return std::nullopt;
  std::string key = KeyOf(*address);
  std::lock_guard lock(mutex_);
  if (settings_.per_address == 0) return std::nullopt;
  Entry& entry = EntryOf(key, Clock::now());
  if (entry.sessions >= settings_.per_address) {
    return HttpError{429,
                     "address_limit",
                     fmt::format("one address may have {} connections", settings_.per_address),
                     kPerAddress,
                     {RetryAfter()}};
  }
  ++entry.sessions;
  if (LimitWarnings::Crosses(entry.sessions, settings_.per_address)) {
    warnings_.Tell({"address_connections", "", entry.sessions, settings_.per_address, kPerAddress},
                   NetworkOf(*address));
  }
  *place = std::shared_ptr<void>(nullptr, [limits = shared_from_this(), key](void*) { limits->Leave(key); });
  return std::nullopt;
}

void ConnectionLimits::Leave(const std::string& key) {
  std::lock_guard lock(mutex_);
  if (auto it = addresses_.find(key); it != addresses_.end() && it->second.sessions > 0) --it->second.sessions;
}

std::optional<std::string> ConnectionLimits::AppIsFull(const auth::App& app) const {
  if (app.connections == 0) return std::nullopt;
  size_t sessions = node_.Find({app.id, wire::TopicKind::kEveryone, ""}).sessions;
  bool full = sessions >= app.connections;
  watches_.LookAt("app_connections", app.name, sessions + (full ? 0 : 1), app.connections, kAppSetting);
  if (!full) return std::nullopt;
  return fmt::format("the app {} may have {} connections", app.name, app.connections);
}

std::optional<std::string> ConnectionLimits::UserIsFull(const auth::App& app, const std::string& user_id) const {
  uint32_t limit = app.connections_per_user;
  if (limit == 0) return std::nullopt;
  if (node_.Find({app.id, wire::TopicKind::kUser, user_id}).sessions < limit) return std::nullopt;
  return fmt::format("a user may have {} connections", limit);
}

std::optional<std::string> ConnectionLimits::StreamsAreFull(const auth::App& app, std::string_view stream) const {
  if (app.max_streams == 0) return std::nullopt;
  size_t streams = node_.StreamsOf(app.id);
  bool full = streams >= app.max_streams;
  if ((streams + 1) * 5 < app.max_streams * size_t{4}) return std::nullopt;
  bool known = node_.Find({app.id, wire::TopicKind::kStream, stream}).sessions > 0;
  watches_.LookAt("app_streams", app.name, streams + (full || known ? 0 : 1), app.max_streams, StreamsSetting(app));
  if (!full || known) return std::nullopt;
  return fmt::format("{} streams have subscribers, and there may be no more", app.max_streams);
}

void ConnectionLimits::LookAtUser(const auth::App& app, const std::string& user_id, uint32_t sessions) {
  uint32_t limit = app.connections_per_user;
  if (!LimitWarnings::Crosses(sessions, limit)) return;
  warnings_.Tell({"user_connections", app.name, sessions, limit, UserSetting(app)}, user_id);
}

}  // namespace carillon::edge
