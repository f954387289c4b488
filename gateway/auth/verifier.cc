#include "gateway/auth/verifier.h"

#include <algorithm>

namespace carillon::auth {

StatusOr<IdentityPtr> Verifier::Verify(std::string_view token, std::chrono::system_clock::time_point now) const {
  ASSIGN_OR_RETURN(Identity identity, VerifyJwt(token, *rules(), now));
  RETURN_IF_ERROR(denials_.Check(identity, now));
  return IdentityPtr(std::make_shared<const Identity>(std::move(identity)));
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
    for (const JwksRules& wanted : rules.fetched) {
      auto same = std::find_if(fetched_.begin(), fetched_.end(), [&](const Fetched& fetched) {
        return fetched.source != nullptr && fetched.source->rules() == wanted;
      });
      if (same != fetched_.end()) {
        stay.push_back(std::move(*same));
      } else {
        auto source =
            std::make_unique<JwksSource>(wanted, [this, wanted](KeySet keys) { OnKeys(wanted, std::move(keys)); });
        stay.push_back({std::move(source), {}});
      }
    }
    gone = std::exchange(fetched_, std::move(stay));
    given_ = std::move(rules);
    Combine();
  }
  // Their threads may be waiting for the lock: they end without it. `gone` goes here.
}

void Verifier::OnKeys(const JwksRules& from, KeySet keys) {
  std::lock_guard lock(mutex_);
  for (Fetched& fetched : fetched_) {
    if (fetched.source->rules() == from) fetched.keys = std::move(keys);
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
  for (JwksSource* source : sources) source->Stop();
}

void Verifier::Collect(MetricsWriter& writer) const {
  denials_.Collect(writer);
  JwksSource::Stats all;
  {
    std::lock_guard lock(mutex_);
    if (fetched_.empty()) return;
    for (const Fetched& fetched : fetched_) {
      JwksSource::Stats stats = fetched.source->stats();
      all.fetched += stats.fetched;
      all.failed += stats.failed;
      all.age = std::max(all.age, stats.age);
    }
  }
  constexpr std::string_view kName = "carillon_jwks_fetches_total";
  constexpr std::string_view kHelp = "Fetches of token keys, by result.";
  writer.Counter(kName, kHelp, all.fetched, {{"result", "ok"}});
  writer.Counter(kName, kHelp, all.failed, {{"result", "failed"}});
  writer.Gauge("carillon_jwks_age_seconds", "Since when an address of token keys has not answered, the oldest of all.",
               static_cast<double>(all.age.count()));
}

}  // namespace carillon::auth
