#include "gateway/auth/verifier.h"

#include <algorithm>

namespace carillon::auth {

StatusOr<Identity> Verifier::VerifyAny(std::string_view token, std::chrono::system_clock::time_point now) const {
  auto verified = VerifyJwt(token, *rules(), now);
  if (IsUnknownKey(verified.status()) && LacksKeys()) {
    return MarkUnknownKey(
        absl::UnavailableError("the token's key is not known, and not all keys could be fetched yet"));
  }
  if (verified.ok()) RETURN_IF_ERROR(denials_.Check(*verified, now));
  return verified;
}

StatusOr<IdentityPtr> Verifier::Verify(std::string_view token, std::chrono::system_clock::time_point now) const {
  ASSIGN_OR_RETURN(Identity identity, VerifyAny(token, now));
  if (!identity.only_stream.empty()) {
    return absl::UnauthenticatedError("the token is for one stream, not for a session");
  }
  return IdentityPtr(std::make_shared<const Identity>(std::move(identity)));
}

Status Verifier::VerifyGrant(std::string_view token, std::string_view stream, std::string_view user_id,
                             std::chrono::system_clock::time_point now) const {
  ASSIGN_OR_RETURN(Identity identity, VerifyAny(token, now));
  if (identity.only_stream.empty()) return absl::UnauthenticatedError("the token is for a session, not for a stream");
  if (identity.only_stream != stream) return absl::UnauthenticatedError("the token is for another stream");
  if (identity.user_id != user_id) return absl::UnauthenticatedError("the token is for another user");
  return absl::OkStatus();
}

bool Verifier::TakesTokens() const {
  auto rules = this->rules();
  return !rules->keys.empty() || !rules->fetched.empty();
}

bool Verifier::LacksKeys() const {
  std::lock_guard lock(mutex_);
  return std::any_of(fetched_.begin(), fetched_.end(), [](const Fetched& fetched) { return fetched.keys.empty(); });
}

bool Verifier::AwaitKeys(std::function<void()> done) const {
  // `done` is called when the last source has let go of this; none of them may be the one who calls it for nothing.
  auto waits = std::make_shared<bool>(false);
  JwksSource::Waiter waiter(nullptr, [waits, done = std::move(done)](void*) {
    if (*waits) done();
  });
  std::lock_guard lock(mutex_);
  for (const Fetched& fetched : fetched_) {
    if (fetched.source->Await(waiter)) *waits = true;
  }
  return *waits;
}

void Verifier::SetRules(TokenRules rules) {
  std::lock_guard change(changing_);
  std::vector<Fetched> gone;
  {
    std::lock_guard lock(mutex_);
    std::vector<Fetched> stay;
    for (const JwksRules& wanted : rules.fetched) stay.push_back(TakeOver(wanted));
    gone = std::exchange(fetched_, std::move(stay));
    given_ = std::move(rules);
    Combine();
  }
  // Their threads may be waiting for the lock: they end without it, together.
  for (Fetched& fetched : gone) {
    if (fetched.source != nullptr) fetched.source->AskToStop();
  }
}

// The source of these rules; a new one begins with the keys of the same address, where there was one.
Verifier::Fetched Verifier::TakeOver(const JwksRules& wanted) {
  for (Fetched& fetched : fetched_) {
    if (fetched.source != nullptr && fetched.source->rules() == wanted) return std::move(fetched);
  }
  Fetched made;
  for (const Fetched& fetched : fetched_) {
    if (fetched.source == nullptr) continue;
    const JwksRules& known = fetched.source->rules();
    if (known.address.url != wanted.address.url || known.algorithm != wanted.algorithm) continue;
    made.keys = fetched.keys;
    made.good_at = fetched.good_at;
  }
  made.source = std::make_unique<JwksSource>(
      wanted, [this, wanted](StatusOr<KeySet> keys) { OnFetched(wanted, std::move(keys)); }, !made.keys.empty());
  return made;
}

void Verifier::OnFetched(const JwksRules& from, StatusOr<KeySet> keys) {
  std::lock_guard lock(mutex_);
  ++(keys.ok() ? fetches_good_ : fetches_failed_);
  if (!keys.ok()) return;
  for (Fetched& fetched : fetched_) {
    if (fetched.source->rules() != from) continue;
    fetched.keys = *keys;
    fetched.good_at = Clock::now();
  }
  Combine();
}

void Verifier::Combine() {
  auto rules = std::make_shared<TokenRules>(given_);
  for (const Fetched& fetched : fetched_) rules->keys.Add(fetched.keys);
  rules_ = std::move(rules);
}

std::shared_ptr<const TokenRules> Verifier::rules() const {
  std::lock_guard lock(mutex_);
  return rules_;
}

void Verifier::Stop() {
  std::lock_guard change(changing_);
  std::vector<JwksSource*> sources;
  {
    std::lock_guard lock(mutex_);
    for (const Fetched& fetched : fetched_) sources.push_back(fetched.source.get());
  }
  for (JwksSource* source : sources) source->AskToStop();
  for (JwksSource* source : sources) source->Stop();
}

void Verifier::Collect(MetricsWriter& writer, std::string_view app) const {
  denials_.Collect(writer, app);
  std::lock_guard lock(mutex_);
  if (fetched_.empty() && fetches_good_ + fetches_failed_ == 0) return;
  Clock::time_point now = Clock::now();
  Clock::time_point oldest = now;
  for (const Fetched& fetched : fetched_) oldest = std::min(oldest, fetched.good_at);
  constexpr std::string_view kName = "carillon_jwks_fetches_total";
  constexpr std::string_view kHelp = "Fetches of token keys, by result.";
  writer.Counter(kName, kHelp, fetches_good_, {{"app", app}, {"result", "ok"}});
  writer.Counter(kName, kHelp, fetches_failed_, {{"app", app}, {"result", "failed"}});
  writer.Gauge("carillon_jwks_age_seconds", "Since when an address of token keys has not answered, the oldest of all.",
               std::chrono::duration<double>(now - oldest).count(), {{"app", app}});
}

}  // namespace carillon::auth
