#include "tests/support/fake_session.h"

#include <array>
#include <boost/json.hpp>

namespace carillon::test {

FakeSession::FakeSession(TestNode& node, ShardIndex shard, Options options)
    : node_(node), shard_(shard), options_(std::move(options)), blocked_(options_.blocked) {
  node_.On(shard_, [this](hub::Shard& home) {
    auth::IdentityPtr identity;
    if (!options_.user.empty()) {
      auth::Identity made;
      made.user_id = options_.user;
      made.labels = options_.labels;
      made.roles = options_.roles;
      identity = std::make_shared<const auth::Identity>(std::move(made));
    }
    hub::SessionSettings& settings = options_.settings;
    if (settings.dialect == nullptr) settings.dialect = &dialect::Native();
    id_ = home.NewSessionId();
    session_ = std::make_unique<hub::Session>(home, settings, *this, id_, options_.app, std::move(identity));
    home.Register(*session_);
    if (options_.admitted) home.Admit(*session_);
    registered_ = true;
    for (const std::string& stream : options_.streams)
      home.Subscribe(*session_, {options_.app, wire::TopicKind::kStream, stream});
  });
}

FakeSession::~FakeSession() {
  node_.On(shard_, [this](hub::Shard&) {
    Leave(wire::CloseCode::kAbnormal);
    session_.reset();
  });
}

std::vector<std::string> FakeSession::Heard() {
  std::vector<std::string> events;
  for (const std::string& payload : SplitFrames(Written())) {
    boost::json::error_code error;
    boost::json::value value = boost::json::parse(payload, error);
    const auto* object = error ? nullptr : value.if_object();
    const auto* event = object == nullptr ? nullptr : object->if_contains("event");
    events.emplace_back(event == nullptr ? "?" : std::string(event->as_string()));
  }
  return events;
}

std::string FakeSession::Written() {
  return Settled([this] { return written_; });
}

std::optional<int> FakeSession::closed() {
  return Settled([this] { return code_.has_value() ? std::optional<int>(static_cast<int>(*code_)) : std::nullopt; });
}

std::string FakeSession::reason() {
  return Settled([this] { return reason_; });
}

int FakeSession::closes() {
  return Settled([this] { return closes_; });
}

int FakeSession::flushes() {
  return Settled([this] { return flushes_; });
}

size_t FakeSession::waiting_messages() {
  return Settled([this] { return session_->outbox().messages(); });
}

void FakeSession::Subscribe(const std::string& stream) {
  node_.On(shard_, [&](hub::Shard& home) {
    home.Subscribe(*session_, {options_.app, wire::TopicKind::kStream, stream});
  });
}

void FakeSession::Unsubscribe(const std::string& stream) {
  node_.On(shard_, [&](hub::Shard& home) {
    home.Unsubscribe(*session_, {options_.app, wire::TopicKind::kStream, stream});
  });
}

void FakeSession::SetBlocked(bool blocked) {
  node_.On(shard_, [&](hub::Shard&) {
    blocked_ = blocked;
    if (!blocked) session_->OnWritable();
    Flush();
  });
}

void FakeSession::WriteSome(size_t bytes) {
  node_.On(shard_, [&](hub::Shard&) {
    session_->OnWritable();
    hub::Outbox& outbox = session_->outbox();
    std::array<iovec, 64> vectors;
    size_t count = outbox.Gather(vectors);
    size_t size = 0;
    for (size_t i = 0; i < count && size < bytes; ++i) {
      size_t here = std::min(bytes - size, vectors[i].iov_len);
      written_.append(static_cast<const char*>(vectors[i].iov_base), here);
      size += here;
    }
    outbox.Consume(size);
    session_->OnWritten();
  });
}

void FakeSession::Flush() {
  ++flushes_;
  hub::Outbox& outbox = session_->outbox();
  while (!blocked_ && !outbox.empty()) {
    std::array<iovec, 16> vectors;
    size_t count = outbox.Gather(vectors);
    size_t size = 0;
    for (size_t i = 0; i < count; ++i) {
      written_.append(static_cast<const char*>(vectors[i].iov_base), vectors[i].iov_len);
      size += vectors[i].iov_len;
    }
    outbox.Consume(size);
    session_->OnWritten();
  }
}

void FakeSession::Close(wire::CloseCode code, std::string_view reason, wire::CloseCode cause) {
  ++closes_;
  if (!code_.has_value()) {
    code_ = code;
    reason_ = reason;
  }
  if (options_.dies_when_closed) Leave(cause);
}

void FakeSession::Leave(wire::CloseCode code) {
  if (!std::exchange(registered_, false)) return;
  session_->BeginClosing();
  session_->shard().Unregister(*session_, code);
}

std::vector<std::string> SplitFrames(std::string_view bytes) {
  std::vector<std::string> payloads;
  while (!bytes.empty()) {
    size_t header = 2;
    uint64_t size = bytes.size() < 2 ? 0 : static_cast<uint8_t>(bytes[1]) & 0x7F;
    if (size >= 126) {
      header = size == 126 ? 4 : 10;
      size = 0;
      for (size_t i = 2; i < header && i < bytes.size(); ++i) size = size << 8 | static_cast<uint8_t>(bytes[i]);
    }
    if (bytes.size() < header || bytes.size() - header < size) {
      payloads.emplace_back("torn");
      break;
    }
    payloads.emplace_back(bytes.substr(header, size));
    bytes.remove_prefix(header + size);
  }
  return payloads;
}

}  // namespace carillon::test
