#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace carillon {

// Unpredictable bits from OpenSSL, for ids that must not be guessed. Any thread; about a microsecond.
uint64_t RandomBits();

// `bytes` unpredictable bytes as lower-case hexadecimal, for secrets and epochs.
std::string RandomHex(size_t bytes);

}  // namespace carillon
