#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/auth/key.h"

namespace carillon::auth {

// The largest text of keys that is looked at, and the most keys that are kept of it.
inline constexpr size_t kMaxJwksBytes = 1 << 20;
inline constexpr size_t kMaxKeys = 100;

// Keys that tokens are verified with. A plain value.
class KeySet {
 public:
  void Add(Key key) { keys_.push_back(std::move(key)); }
  void Add(const KeySet& other) { keys_.insert(keys_.end(), other.keys_.begin(), other.keys_.end()); }

  // A JWK Set or a single JWK (RFC 7517). Keys that are not for signatures, or not understood, are left out, as section
  // 5 says; *left_out gets the reason of each. INVALID_ARGUMENT where it is no such text, or where no key is left.
  static StatusOr<KeySet> FromJwks(std::string_view text, std::optional<Algorithm> algorithm,
                                   std::vector<std::string>* left_out);

  const std::vector<Key>& keys() const { return keys_; }
  bool empty() const { return keys_.empty(); }

 private:
  std::vector<Key> keys_;
};

}  // namespace carillon::auth
