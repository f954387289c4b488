#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/live.h"

namespace carillon::auth {

// What a backend's key may do.
enum class Verb : uint8_t { kPublish, kRead, kAdmin };

// A key of the control plane, but for its secret: what its bearer may do, where.
struct ApiKey {
  std::string name;
  std::vector<Verb> verbs;           // empty: all of them
  std::vector<std::string> apps;     // by name, at least one; "*": every app
  std::vector<std::string> streams;  // patterns; empty: every stream, and what is no stream

  bool May(Verb verb) const;
};
using ApiKeyPtr = std::shared_ptr<const ApiKey>;

// The control plane's keys. Immutable after the last Add; any thread.
class ApiKeys {
 public:
  void Add(ApiKey key, std::string_view secret);

  // The key with that secret; null where there is none. Compares digests in constant time, so that nothing is learnt
  // from how long it takes. Without keys, one without a name that may do everything.
  ApiKeyPtr Find(std::string_view secret) const;

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Entry {
    ApiKeyPtr key;
    Digest digest;
  };

  std::vector<Entry> keys_;
};

// Keys that may be exchanged while they are used. Any thread.
class LiveApiKeys {
 public:
  explicit LiveApiKeys(ApiKeys keys) : keys_(std::move(keys)) {}

  void Set(ApiKeys keys) { keys_.Set(std::move(keys)); }

  // See ApiKeys::Find.
  ApiKeyPtr Find(std::string_view secret) const;

 private:
  Live<ApiKeys> keys_;
};

}  // namespace carillon::auth
