#include "gateway/auth/denials.h"

#include <algorithm>

namespace carillon::auth {

Status Denials::CheckRoom() const {
  if (users_.size() + tokens_.size() < kMost) return absl::OkStatus();
  return WithReason(
      ResourceExhausted("{} revocations are kept: they go when their tokens have ended (auth.max_lifetime)", kMost),
      "LIMIT_REACHED");
}

void Denials::Count() {
  count_ = blocks_.size() + users_.size() + tokens_.size();
}

Status Denials::BlockUser(Block block) {
  std::lock_guard lock(mutex_);
  if (blocks_.size() >= kMost && !blocks_.contains(block.user_id)) {
    return WithReason(ResourceExhausted("{} users are blocked: unblock some", kMost), "LIMIT_REACHED");
  }
  std::string user_id = block.user_id;
  blocks_[std::move(user_id)] = std::move(block);
  Count();
  return absl::OkStatus();
}

bool Denials::UnblockUser(std::string_view user_id) {
  std::lock_guard lock(mutex_);
  auto it = blocks_.find(user_id);
  bool was = it != blocks_.end();
  if (was) blocks_.erase(it);
  Count();
  return was;
}

Status Denials::RevokeUser(std::string_view user_id, Time issued_before, Time forget_at) {
  std::lock_guard lock(mutex_);
  std::string user(user_id);
  if (!users_.contains(user)) RETURN_IF_ERROR(CheckRoom());
  Revocation& revocation = users_.try_emplace(std::move(user), Revocation{issued_before, forget_at}).first->second;
  revocation.issued_before = std::max(revocation.issued_before, issued_before);
  revocation.forget_at = std::max(revocation.forget_at, forget_at);
  Count();
  return absl::OkStatus();
}

Status Denials::RevokeToken(std::string_view token_id, Time forget_at) {
  std::lock_guard lock(mutex_);
  std::string id(token_id);
  if (!tokens_.contains(id)) RETURN_IF_ERROR(CheckRoom());
  Time& until = tokens_.try_emplace(std::move(id), forget_at).first->second;
  until = std::max(until, forget_at);
  Count();
  return absl::OkStatus();
}

Status Denials::Check(const Identity& identity, Time now) const {
  if (count_ == 0) return absl::OkStatus();
  std::lock_guard lock(mutex_);
  if (auto it = blocks_.find(identity.user_id); it != blocks_.end() && now < it->second.until) {
    return absl::PermissionDeniedError(it->second.reason);
  }
  auto user = users_.find(identity.user_id);
  bool revoked = (user != users_.end() && identity.issued_at < user->second.issued_before) ||
                 (!identity.token_id.empty() && tokens_.contains(identity.token_id));
  return revoked ? absl::UnauthenticatedError("the token was revoked") : absl::OkStatus();
}

std::vector<Denials::Block> Denials::List(std::string_view after, size_t limit, Time now) const {
  std::lock_guard lock(mutex_);
  std::vector<Block> page;
  for (auto it = blocks_.upper_bound(after); it != blocks_.end() && page.size() < limit; ++it) {
    if (now < it->second.until) page.push_back(it->second);
  }
  return page;
}

void Denials::Sweep(Time now) {
  if (count_ == 0) return;
  std::lock_guard lock(mutex_);
  std::erase_if(blocks_, [now](const auto& entry) { return now >= entry.second.until; });
  absl::erase_if(users_, [now](const auto& entry) { return now >= entry.second.forget_at; });
  absl::erase_if(tokens_, [now](const auto& entry) { return now >= entry.second; });
  Count();
}

void Denials::Collect(MetricsWriter& writer, std::string_view app) const {
  std::lock_guard lock(mutex_);
  auto write = [&writer, app](const char* kind, size_t count) {
    writer.Gauge("carillon_denials", "What backends keep out: blocked users, and revoked tokens by user and by id.",
                 static_cast<double>(count), {{"app", app}, {"kind", kind}});
  };
  write("blocked_user", blocks_.size());
  write("tokens_of_user", users_.size());
  write("token", tokens_.size());
}

}  // namespace carillon::auth
