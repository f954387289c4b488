#include "gateway/base/random.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <vector>

#include "gateway/base/check.h"

namespace carillon {

uint64_t RandomBits() {
  uint64_t bits = 0;
  CARILLON_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(&bits), sizeof bits) == 1);
  return bits;
}

std::string RandomHex(size_t bytes) {
  std::vector<unsigned char> raw(bytes);
  CARILLON_CHECK(RAND_bytes(raw.data(), static_cast<int>(bytes)) == 1);
  std::string text;
  for (unsigned char byte : raw) fmt::format_to(std::back_inserter(text), "{:02x}", byte);
  return text;
}

}  // namespace carillon
