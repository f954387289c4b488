#include "gateway/edge/link.h"

#include <sys/socket.h>

#include <array>

namespace carillon::edge {
namespace {

// A turn brings at most 128 messages, and a few answers and pings may come on top.
constexpr size_t kMaxVectors = 160;

// More than a socket with the default send buffer takes at once is only held.
constexpr int kRecordsAtOnce = 4;

// More than a batch of records.
constexpr size_t kMostHeld = 128 << 10;

bool IsForLater(int error) {
  return error == EAGAIN || error == EINTR || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

Link::Sent Link::Send(hub::Outbox& outbox) {
  return tls_ == nullptr ? SendPlain(outbox) : SendSealed(outbox);
}

// With one system call.
Link::Sent Link::SendPlain(hub::Outbox& outbox) {
  std::array<iovec, kMaxVectors> vectors;
  size_t count = outbox.Gather(vectors);
  ssize_t sent;
  if (count == 1) {
    sent = ::send(socket_.native_handle(), vectors[0].iov_base, vectors[0].iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
  } else {
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    sent = ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  if (sent < 0) {
    if (!IsForLater(errno)) return {0, true};
    sent = 0;
  }
  outbox.Consume(static_cast<size_t>(sent));
  return {static_cast<size_t>(sent), false};
}

// Records are what TLS costs, not bytes: frames are laid end to end, and as many as fit are sealed together.
Link::Sent Link::SendSealed(hub::Outbox& outbox) {
  static thread_local std::array<char, TlsChannel::kRecordBytes> flat;
  Sent sent;
  if (!SendHeld(&sent)) return sent;
  for (int record = 0; record < kRecordsAtOnce && !outbox.empty(); ++record) {
    size_t size = outbox.Copy(flat);
    if (!tls_->Seal({flat.data(), size})) {
      tls_->ClearOutput();
      sent.failed = true;
      return sent;
    }
    outbox.Consume(size);
  }
  SendOutput(&sent);
  return sent;
}

// True where nothing is held any more.
bool Link::SendHeld(Sent* sent) {
  if (!holds()) return true;
  held_at_ += SendSome(std::string_view(held_).substr(held_at_), sent);
  if (holds()) return false;
  held_ = {};
  held_at_ = 0;
  return true;
}

void Link::SendOutput(Sent* sent) {
  std::string_view output = tls_->output();
  if (!holds() && !output.empty()) output.remove_prefix(SendSome(output, sent));
  held_.append(output);
  tls_->ClearOutput();
}

size_t Link::SendSome(std::string_view bytes, Sent* sent) {
  ssize_t size = ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (size < 0) {
    sent->failed = sent->failed || !IsForLater(errno);
    size = 0;
  }
  sent->bytes += static_cast<size_t>(size);
  return static_cast<size_t>(size);
}

// Takes what has come, once, and answers what TLS itself asks.
boost::system::error_code Link::Receive() {
  static thread_local std::array<char, TlsChannel::kRecordBytes + 512> sealed;
  ssize_t size = ::recv(socket_.native_handle(), sealed.data(), sealed.size(), MSG_DONTWAIT);
  if (size < 0) {
    return IsForLater(errno) ? boost::system::error_code()
                             : boost::system::error_code(errno, boost::system::system_category());
  }
  if (size == 0) {
    ended_ = true;
    return {};
  }
  TlsChannel::Fed fed = tls_->Feed({sealed.data(), static_cast<size_t>(size)}, &plain_);
  Sent sent;
  SendOutput(&sent);  // an alert as well, where it is broken
  // A peer can make TLS answer (in 1.2, whoever asks to negotiate again) and read nothing of it.
  if (held_.size() - held_at_ > kMostHeld) return boost::asio::error::connection_aborted;
  switch (fed) {
    case TlsChannel::Fed::kOk:
      break;
    case TlsChannel::Fed::kClosed:
      ended_ = true;
      break;
    case TlsChannel::Fed::kPlainText:
      spoke_plainly_ = true;
      return boost::asio::error::operation_not_supported;
    case TlsChannel::Fed::kBroken:
      return boost::asio::error::connection_aborted;
  }
  return {};
}

std::string Link::SealAll(std::string bytes) {
  if (tls_ == nullptr) return bytes;
  tls_->Seal(bytes);
  tls_->Close();
  std::string all = held_.substr(held_at_);
  all.append(tls_->output());
  tls_->ClearOutput();
  held_ = {};
  held_at_ = 0;
  return all;
}

void Link::SayGoodbye() {
  if (tls_ == nullptr) return;
  tls_->Close();
  Sent sent;
  SendOutput(&sent);
}

}  // namespace carillon::edge
