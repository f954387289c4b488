#include "tests/support/seed.h"

#include <cstdio>
#include <cstdlib>

namespace carillon::test {
namespace {

uint64_t Seed() {
  const char* given = std::getenv("CARILLON_TEST_SEED");
  uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("to repeat: CARILLON_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  return seed;
}

}  // namespace

Random::Random() : engine_(Seed()) {}

std::string Random::Bytes(size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(engine_());
  return bytes;
}

std::string Random::Text(size_t size, std::string_view alphabet) {
  std::string text(size, '\0');
  for (char& c : text) c = alphabet[Below(alphabet.size())];
  return text;
}

std::string Random::Mutated(std::string text) {
  for (size_t changes = 1 + Below(4); changes > 0; --changes) {
    size_t at = Below(text.size() + 1);
    switch (Below(4)) {
      case 0:
        text.insert(at, Bytes(1 + Below(3)));
        break;
      case 1:
        text.insert(at, text.substr(Below(text.size() + 1), Below(20)));
        break;
      case 2:
        text.erase(at, 1 + Below(4));
        break;
      default:
        if (at < text.size()) text[at] = static_cast<char>(engine_());
    }
  }
  return text;
}

size_t Scaled(size_t count) {
  const char* scale = std::getenv("CARILLON_TEST_SCALE");
  return scale == nullptr ? count : static_cast<size_t>(static_cast<double>(count) * std::strtod(scale, nullptr));
}

}  // namespace carillon::test
