#include "gateway/engine/request_ids.h"

#include <algorithm>
#include <cstring>

#include "gateway/base/check.h"

namespace carillon::engine {
namespace {

template <size_t N>
void Store(const std::string& text, char (&into)[N]) {
  CARILLON_CHECK(text.size() <= N);
  std::memset(into, 0, N);
  std::copy(text.begin(), text.end(), into);
}

template <size_t N>
std::string Load(const char (&from)[N]) {
  return {from, ::strnlen(from, N)};
}

}  // namespace

RequestIds::Key RequestIds::KeyOf(const wire::TopicView& topic, std::string_view id) {
  return {absl::HashOf(topic, id), absl::HashOf(id, topic, 'x')};
}

std::optional<RequestIds::Found> RequestIds::Find(const wire::TopicView& topic, std::string_view id, Time now) const {
  Key key = KeyOf(topic, id);
  const Stripe& stripe = stripes_[key.high % kStripes];
  std::lock_guard lock(stripe.mutex);
  auto it = stripe.numbers.find(key.low);
  if (it == stripe.numbers.end()) return std::nullopt;
  const Entry& entry = stripe.entries[it->second - stripe.first];
  if (entry.key.high != key.high || entry.added + kWindow <= now) return std::nullopt;
  Found found{{Load(entry.message_id), entry.sessions, std::nullopt}, entry.fingerprint};
  if (entry.offset > 0) found.outcome.position = wire::Position{Load(entry.epoch), entry.offset};
  return found;
}

void RequestIds::Add(const wire::TopicView& topic, std::string_view id, uint64_t fingerprint,
                     const PublishOutcome& outcome, Time now) {
  Key key = KeyOf(topic, id);
  Entry entry{key, now, fingerprint, 0, outcome.sessions, {}, {}};
  Store(outcome.message_id, entry.message_id);
  if (outcome.position.has_value()) {
    entry.offset = outcome.position->offset;
    Store(outcome.position->epoch, entry.epoch);
  }
  Stripe& stripe = stripes_[key.high % kStripes];
  std::lock_guard lock(stripe.mutex);
  while (!stripe.entries.empty() &&
         (stripe.entries.size() >= capacity_ || stripe.entries.front().added + kWindow <= now)) {
    auto it = stripe.numbers.find(stripe.entries.front().key.low);
    if (it != stripe.numbers.end() && it->second == stripe.first) stripe.numbers.erase(it);
    stripe.entries.pop_front();
    ++stripe.first;
  }
  stripe.numbers[key.low] = stripe.first + static_cast<uint32_t>(stripe.entries.size());
  stripe.entries.push_back(entry);
}

size_t RequestIds::size() const {
  size_t total = 0;
  for (const Stripe& stripe : stripes_) {
    std::lock_guard lock(stripe.mutex);
    total += stripe.entries.size();
  }
  return total;
}

}  // namespace carillon::engine
