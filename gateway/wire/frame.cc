#include "gateway/wire/frame.h"

#include <memory>

namespace carillon::wire {

Frame::Frame(v1::Envelope envelope, std::shared_ptr<const Terms> terms)
    : envelope_(std::move(envelope)),
      terms_(std::move(terms)),
      bytes_(envelope_.ByteSizeLong() + sizeof(Frame) + (terms_ == nullptr ? 0 : terms_->bytes())) {}

Frame::~Frame() {
  for (auto& slot : slots_) delete slot.load(std::memory_order_relaxed);
}

boost::intrusive_ptr<const Frame> Frame::At(boost::intrusive_ptr<const Frame> frame, const Position& position,
                                            std::string_view log) {
  boost::intrusive_ptr<Frame> own(frame->use_count() == 1 ? const_cast<Frame*>(frame.get())
                                                          : new Frame(frame->envelope_, frame->terms_));
  own->envelope_.mutable_position()->set_epoch(position.epoch);
  own->envelope_.mutable_position()->set_offset(position.offset);
  if (!log.empty()) own->envelope_.set_log(std::string(log));
  return own;
}

WallClock::time_point Frame::time() const {
  auto since_1970 =
      std::chrono::seconds(envelope_.time().seconds()) + std::chrono::nanoseconds(envelope_.time().nanos());
  return WallClock::time_point(std::chrono::duration_cast<WallClock::duration>(since_1970));
}

size_t Frame::logged_bytes() const {
  // What the allocator, the strings and the maps of a message take beside what it says, and the JSON around a payload.
  constexpr size_t kOverhead = 640;
  return 2 * bytes_ + kOverhead;
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
