#pragma once

#include <cstdio>
#include <cstdlib>
#include <thread>

// Broken invariants end the process: a restart is cheap, a gateway that has lost count is not. Input is never checked
// with these. (Debian's abseil has no logging library, hence ours.)
#define CARILLON_CHECK(condition)                                                            \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      std::fprintf(stderr, "%s:%d: broken invariant: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                          \
    }                                                                                        \
  } while (false)

#ifdef NDEBUG
#define CARILLON_DCHECK(condition) static_cast<void>(0)
#else
#define CARILLON_DCHECK(condition) CARILLON_CHECK(condition)
#endif

namespace carillon {

// Asserts that an object is used on one thread only: the first that asks. Free in release builds.
class HomeThread {
 public:
#ifdef NDEBUG
  bool Check() const {
    return true;
  }
  void Rebind() {}
#else
  bool Check() const {
    if (home_ == std::thread::id()) home_ = std::this_thread::get_id();
    return home_ == std::this_thread::get_id();
  }
  // The next caller's thread becomes the home: for hand-over at start and stop, when no other thread runs.
  void Rebind() {
    home_ = std::thread::id();
  }

 private:
  mutable std::thread::id home_;
#endif
};

}  // namespace carillon
