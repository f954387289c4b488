#include "gateway/hub/outbox.h"

#include "gateway/base/check.h"

namespace carillon::hub {
namespace {

// More than a socket with the default send buffer takes at once.
constexpr size_t kGatheredBytes = 256 << 10;

}  // namespace

void Outbox::Push(PacketPtr packet) {
  if (!sealed_) PutBack(std::move(packet));
}

void Outbox::PutBack(PacketPtr packet) {
  bytes_ += packet->bytes().size();
  Count(*packet, 1);
  ForgetWritten();
  packets_.push_back(std::move(packet));
}

void Outbox::Push(std::span<const PacketPtr> packets, size_t bytes) {
  if (sealed_) return;
  bytes_ += bytes;
  for (const PacketPtr& packet : packets) Count(*packet, 1);
  ForgetWritten();
  packets_.insert(packets_.end(), packets.begin(), packets.end());
}

// `one` is 1, or -1 in the way of unsigned numbers.
void Outbox::Count(const Packet& packet, size_t one) {
  if (packet.kind() == Packet::Kind::kReplay || packet.kind() == Packet::Kind::kSkip) {
    beyond_messages_ += one;
    beyond_bytes_ += one * packet.bytes().size();
  }
  if (packet.tag() == nullptr) return;
  if (packet.droppable()) droppable_ += one;
  if (packet.conflatable()) conflatable_ += one;
  if (packet.perishable()) perishable_ += one;
}

void Outbox::ForgetWritten() {
  if (head_ == packets_.size()) {
    packets_.clear();
    head_ = 0;
  } else if (head_ >= 64 && head_ * 2 >= packets_.size()) {
    // A queue that never runs empty must not keep its written past.
    packets_.erase(packets_.begin(), packets_.begin() + static_cast<ptrdiff_t>(head_));
    head_ = 0;
  }
}

void Outbox::PushPong(PacketPtr packet) {
  if (sealed_) return;
  for (size_t i = packets_.size(); i > head_ + (torn() ? 1 : 0); --i) {
    PacketPtr& waiting = packets_[i - 1];
    if (waiting->kind() != Packet::Kind::kPong) continue;
    bytes_ -= waiting->bytes().size();
    packets_.erase(packets_.begin() + static_cast<ptrdiff_t>(i - 1));
    break;
  }
  Push(std::move(packet));
}

size_t Outbox::Gather(std::span<iovec> vectors) const {
  size_t count = 0;
  size_t gathered = 0;
  const char* end = nullptr;  // of the last piece
  for (size_t i = head_; i < packets_.size() && gathered < kGatheredBytes; ++i) {
    std::string_view bytes = packets_[i]->bytes();
    if (i == head_) bytes.remove_prefix(head_written_);
    if (count > 0 && bytes.data() == end) {
      vectors[count - 1].iov_len += bytes.size();
    } else {
      if (count == vectors.size()) break;
      vectors[count++] = {const_cast<char*>(bytes.data()), bytes.size()};
    }
    end = bytes.data() + bytes.size();
    gathered += bytes.size();
  }
  return count;
}

size_t Outbox::Copy(std::span<char> into) const {
  size_t copied = 0;
  for (size_t i = head_; i < packets_.size() && copied < into.size(); ++i) {
    std::string_view bytes = packets_[i]->bytes();
    if (i == head_) bytes.remove_prefix(head_written_);
    copied += bytes.copy(into.data() + copied, into.size() - copied);
  }
  return copied;
}

void Outbox::Consume(size_t written) {
  CARILLON_DCHECK(written <= bytes_);
  bytes_ -= written;
  written += head_written_;
  while (head_ < packets_.size() && written >= packets_[head_]->bytes().size()) {
    written -= packets_[head_]->bytes().size();
    Count(*packets_[head_], size_t(-1));
    packets_[head_++].reset();
  }
  head_written_ = written;
}

std::vector<PacketPtr> Outbox::TakeUnsent() {
  auto first = packets_.begin() + static_cast<ptrdiff_t>(head_ + (torn() ? 1 : 0));
  std::vector<PacketPtr> taken(std::make_move_iterator(first), std::make_move_iterator(packets_.end()));
  packets_.erase(first, packets_.end());
  for (const PacketPtr& packet : taken) {
    bytes_ -= packet->bytes().size();
    Count(*packet, size_t(-1));
  }
  return taken;
}

void Outbox::DropUnsent() {
  TakeUnsent();
}

void Outbox::Clear() {
  packets_.clear();
  head_ = head_written_ = bytes_ = beyond_bytes_ = beyond_messages_ = droppable_ = conflatable_ = perishable_ = 0;
}

void Outbox::Shrink() {
  if (!empty()) return;
  packets_ = {};
  head_ = 0;
}

}  // namespace carillon::hub
