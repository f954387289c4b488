#include "gateway/wire/frame.h"

#include <memory>

namespace carillon::wire {

Frame::Frame(v1::Envelope envelope)
    : envelope_(std::move(envelope)), bytes_(envelope_.ByteSizeLong() + sizeof(Frame)) {}

Frame::~Frame() {
  for (auto& slot : slots_) delete slot.load(std::memory_order_relaxed);
}

std::string_view Frame::Encoded(Encoding encoding, Encode encode) const {
  std::atomic<const std::string*>& slot = slots_[static_cast<size_t>(encoding)];
  const std::string* bytes = slot.load(std::memory_order_acquire);
  if (bytes == nullptr) {
    auto made = std::make_unique<std::string>();
    encode(envelope_, *made);
    if (slot.compare_exchange_strong(bytes, made.get(), std::memory_order_acq_rel)) bytes = made.release();
  }
  return *bytes;
}

}  // namespace carillon::wire
