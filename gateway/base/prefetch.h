#pragma once

#include <cstddef>

namespace carillon {

// Asks the processor for memory that will be touched soon, and does not wait for it. A hint: any address will do.
inline void Prefetch(const void* begin, size_t size) {
  constexpr size_t kCacheLine = 64;
  for (size_t i = 0; i < size; i += kCacheLine) __builtin_prefetch(static_cast<const char*>(begin) + i);
}

}  // namespace carillon
