#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/live.h"

namespace carillon::auth {

// What a backend's key may do.
enum class Verb : uint8_t { kPublish, kRead, kAdmin };

// The control plane's keys. Immutable after the last Add; any thread.
class ApiKeys {
 public:
  enum class Verdict { kAllowed, kUnknownKey, kVerbMissing };

  // An empty list of verbs means all of them.
  void Add(std::string name, std::string_view secret, const std::vector<Verb>& verbs);

  // Whether the bearer of `secret` may. Compares digests in constant time, so that nothing is learnt from how long it
  // takes. Without keys everyone may.
  Verdict Check(std::string_view secret, Verb verb) const;

  // Whether `secret` is any key at all.
  bool Knows(std::string_view secret) const;

  // What the configuration calls that key; empty where it is none.
  std::string_view NameOf(std::string_view secret) const;

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Key {
    std::string name;
    Digest digest;
    uint8_t verbs;
  };

  const Key* Find(std::string_view secret) const;

  std::vector<Key> keys_;
};

// Keys that may be exchanged while they are used. Any thread.
class LiveApiKeys {
 public:
  explicit LiveApiKeys(ApiKeys keys) : keys_(std::move(keys)) {}

  void Set(ApiKeys keys);

  // Another number after each Set.
  uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // As those of ApiKeys.
  ApiKeys::Verdict Check(std::string_view secret, Verb verb) const;
  bool Knows(std::string_view secret) const;
  std::string NameOf(std::string_view secret) const;

 private:
  Live<ApiKeys> keys_;
  std::atomic<uint64_t> version_{0};
};

}  // namespace carillon::auth
