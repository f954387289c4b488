#pragma once

#include <memory>
#include <mutex>
#include <utility>

namespace carillon {

// A value that is exchanged as a whole while others read it: what they have taken stays as it was. Any thread.
template <class T>
class Live {
 public:
  explicit Live(T value) : value_(std::make_shared<const T>(std::move(value))) {}

  std::shared_ptr<const T> Get() const {
    std::lock_guard lock(mutex_);
    return value_;
  }

  void Set(T value) {
    auto made = std::make_shared<const T>(std::move(value));
    std::lock_guard lock(mutex_);
    value_.swap(made);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
};

}  // namespace carillon
