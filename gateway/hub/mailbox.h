#pragma once

#include <atomic>
#include <mutex>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "gateway/engine/engine.h"

namespace carillon::hub {

class Shard;

// Something a shard is asked to do: a question, a kick.
using Task = absl::AnyInvocable<void(Shard&)>;

// One thing in a mailbox. Tells and asks share it, so that they stay in order.
using Mail = std::variant<engine::Delivery, Task>;

// What waits for a shard. Publishers look at HasRoom first; several that look at once may overshoot the bound by one
// message each. Tasks are not bounded here: each belongs to a call that gRPC bounds.
// Thread: any, but Take, Sleep and Done are the shard's.
class Mailbox {
 public:
  Mailbox(size_t max_messages, size_t max_bytes) : max_messages_(max_messages), max_bytes_(max_bytes) {}

  // A frame that goes to many users, one after the other, is held once, and so its bytes count once.
  bool HasRoom(const wire::Frame& frame) const {
    size_t bytes = newest_.load(std::memory_order_relaxed) == &frame ? 0 : frame.bytes();
    return messages_.load(std::memory_order_relaxed) < max_messages_ &&
           bytes_.load(std::memory_order_relaxed) + bytes <= max_bytes_;
  }

  // True where the shard sleeps and must be woken.
  bool Push(Mail mail) {
    std::lock_guard lock(mutex_);
    if (auto* delivery = std::get_if<engine::Delivery>(&mail)) {
      const wire::Frame* frame = delivery->frame.get();
      delivery->charged_bytes = newest_.exchange(frame, std::memory_order_relaxed) == frame ? 0 : frame->bytes();
      messages_.fetch_add(1, std::memory_order_relaxed);
      bytes_.fetch_add(delivery->charged_bytes, std::memory_order_relaxed);
    }
    mail_.push_back(std::move(mail));
    return !std::exchange(awake_, true);
  }

  // Swaps what waits into `batch`, which must be empty. False where there is nothing.
  bool Take(std::vector<Mail>& batch) {
    std::lock_guard lock(mutex_);
    batch.swap(mail_);
    return !batch.empty();
  }

  // The shard has nothing more to do: true where it may sleep, and the next Push will say that it must be woken; false
  // where something came meanwhile.
  bool Sleep() {
    std::lock_guard lock(mutex_);
    awake_ = !mail_.empty();
    return !awake_;
  }

  // As Push where there is nothing to push: true where the shard sleeps and must be woken.
  bool Rouse() {
    std::lock_guard lock(mutex_);
    return !std::exchange(awake_, true);
  }

  // The shard is through with a message: only now does it stop counting.
  void Done(const engine::Delivery& delivery) {
    messages_.fetch_sub(1, std::memory_order_relaxed);
    bytes_.fetch_sub(delivery.charged_bytes, std::memory_order_relaxed);
    // Before the frame can be gone and another stand at its address.
    const wire::Frame* frame = delivery.frame.get();
    newest_.compare_exchange_strong(frame, nullptr, std::memory_order_relaxed);
  }

  size_t messages() const { return messages_.load(std::memory_order_relaxed); }

 private:
  const size_t max_messages_;
  const size_t max_bytes_;
  std::atomic<size_t> messages_{0};
  std::atomic<size_t> bytes_{0};
  std::atomic<const wire::Frame*> newest_{nullptr};  // the last frame pushed, while it is here

  std::mutex mutex_;
  std::vector<Mail> mail_;
  bool awake_ = false;
};

}  // namespace carillon::hub
