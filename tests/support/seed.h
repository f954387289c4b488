#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace carillon::test {

// The randomness of a randomised test. Its seed is printed at the start, so that a failure can be run again:
// CARILLON_TEST_SEED=<seed> makes the same choices.
class Random {
 public:
  Random();
  explicit Random(uint64_t seed) : engine_(seed) {}

  // A number from 0 to bound - 1.
  size_t Below(size_t bound) { return static_cast<size_t>(engine_() % bound); }

  // True once in `times` calls.
  bool OneIn(size_t times) { return Below(times) == 0; }

  uint64_t Bits() { return engine_(); }

  // Bytes of all values.
  std::string Bytes(size_t size);

  // Bytes of an alphabet.
  std::string Text(size_t size, std::string_view alphabet);

  // `text` with a few bytes changed, removed, doubled or inserted.
  std::string Mutated(std::string text);

 private:
  std::mt19937_64 engine_;
};

// A count that is smaller where the tests run slowly (CARILLON_TEST_SCALE).
size_t Scaled(size_t count);

}  // namespace carillon::test
