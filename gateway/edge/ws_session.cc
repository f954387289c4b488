#include "gateway/edge/ws_session.h"

#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <random>

#include "gateway/base/log.h"
#include "gateway/base/prefetch.h"
#include "gateway/base/utf8.h"
#include "gateway/edge/http_connection.h"
#include "gateway/edge/token_clock.h"
#include "gateway/hub/farewell.h"
#include "gateway/hub/session_events.h"

namespace carillon::edge {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

// How long a client may take to answer our goodbye, and to close its side, before the connection is reset.
constexpr std::chrono::milliseconds kCloseTimeout{5000};
// The same for one that has been silent for long already.
constexpr std::chrono::milliseconds kDeadCloseTimeout{2000};

constexpr std::chrono::milliseconds kHandshakeTimeout{5000};

// What a message is read into. Commands are shorter than this; longer messages grow a string while they last.
constexpr size_t kReadBytes = 256;
constexpr size_t kMaxReadBytes = 8 << 10;

// While a client waits for us, what it owes us is not asked for; it is looked at again so often.
constexpr std::chrono::minutes kPutOff{1};

void LogClose(const hub::Session& session, wire::CloseCode code, std::string_view why, const std::string& peer) {
  static log::SamplerByReason sampler;
  uint64_t suppressed = 0;
  if (!sampler.Allow(wire::InfoOf(code).name, &suppressed)) return;
  log::Warn("edge", "closed a session",
            {{"session", session.id().ToString()},
             {"code", static_cast<int>(code)},
             {"reason", wire::InfoOf(code).name},
             {"why", why.empty() ? wire::InfoOf(code).reason : why},
             {"peer", peer},
             {"suppressed", suppressed}});
}

bool WorthALine(wire::CloseCode code) {
  switch (code) {
    case wire::CloseCode::kNormal:
    case wire::CloseCode::kGoingAway:
    case wire::CloseCode::kNoStatus:
    case wire::CloseCode::kAbnormal:
    case wire::CloseCode::kRestart:
    case wire::CloseCode::kTokenExpired:
      return false;
    default:
      return true;
  }
}

// A WebSocket connection from its 101 to its end.
//
//   kHandshake → kOpen → kClosing (our close frame is queued; reading on until the client's) → kDraining (nothing more
//   to read; the outbox is written out) → kLingering (our side is shut; until the client's is) → kDone
//
// Each later state may be reached from each earlier one, and a broken socket or a passed deadline leads to kDone from
// everywhere.
class WsSession final : public FrameLayer::Owner, public hub::Transport, public hub::TimerWheel::Timer {
 public:
  using Ptr = boost::intrusive_ptr<WsSession>;

  WsSession(hub::Shard& shard, const CommandHandler& handler, Link link, std::string unread, Admission admission)
      : shard_(shard),
        handler_(handler),
        place_(std::move(admission.place)),
        address_(admission.address),
        endpoint_(*admission.endpoint),
        close_because_(std::move(admission.refused_because)),
        close_with_(admission.refused_with),
        session_(shard, admission.endpoint->session, *this, shard.NewSessionId(), admission.app,
                 std::move(admission.identity)),
        ws_(std::move(link), session_.outbox(), *this, std::move(unread)) {
    state_.owes_auth = admission.owes_auth;
    state_.streams = std::move(admission.streams);
    state_.wanted = std::move(admission.wanted);
    session_.SetResumes(std::move(admission.resumes));
  }

  void Accept(const Admission& admission, const std::string& subprotocol);

  // hub::Transport
  void Flush() override { layer().Flush(); }
  void Prefetch() const override {
    carillon::Prefetch(this, sizeof(FrameLayer::Owner) + sizeof(hub::Transport));
    carillon::Prefetch(&ws_.next_layer(), sizeof(FrameLayer));
  }
  void Close(wire::CloseCode code, std::string_view reason, wire::CloseCode cause) override;
  void Withdraw(std::string_view stream) override;
  Peer peer() const override { return {address_.to_string(), endpoint_.path}; }

  // hub::TimerWheel::Timer
  void OnTimer() override;

  // FrameLayer::Owner
  void OnSignOfLife() override { heard_at_ = shard_.now(); }
  void OnBlocked(bool anew) override;
  void OnFlushed() override;
  void OnWritable() override { session_.OnWritable(); }
  void OnWriteError() override { Abort(); }
  void OnSent(size_t bytes) override {
    shard_.stats().sends.Add();
    shard_.stats().sent_bytes.Add(bytes);
    session_.OnWritten();
  }
  void OnViolation(wire::CloseCode code) override { session_.Close(code, wire::InfoOf(code).reason); }
  void OnBeastClose(uint16_t code) override;

 private:
  enum class State : uint8_t { kHandshake, kOpen, kClosing, kDraining, kLingering, kDone };
  using Stream = websocket::stream<FrameLayer, false>;
  using Request = http::request<http::empty_body>;

  FrameLayer& layer() { return ws_.next_layer(); }
  void OnAccepted(error_code error);
  void Read();
  void OnRead(error_code error, size_t size);
  template <class Work>
  void Guard(const Work& work);
  void Begin();
  void HandleMessage();
  void Handle(std::string_view payload);
  // Who is being closed is read on for its goodbye, whatever it might have waited for.
  bool MustWait() const { return phase_ == State::kOpen && state_.must_wait(); }
  void Await();
  void Again();
  void ForgetWait();
  void OnReadEnd(error_code error);
  void Drain();
  void ShutSendSide();
  void Linger();
  void Abort();
  void Finish();
  void SetEnd(wire::CloseCode code, std::string_view why = "");
  void ArmTimer();
  void FollowToken();
  bool LookAtToken();
  bool LookWhetherIdle(Clock::time_point now);

  hub::Shard& shard_;
  const CommandHandler& handler_;
  SessionState state_;
  std::shared_ptr<void> place_;  // among the sessions of its address
  const Address address_;
  const EndpointRules& endpoint_;
  std::string close_because_;  // the handshake's refusal, told after it
  wire::CloseCode close_with_;
  hub::Session session_;
  Stream ws_;
  State phase_ = State::kHandshake;
  bool registered_ = false;
  bool begun_ = false;  // messages are read
  wire::CloseCode end_ = wire::CloseCode::kAbnormal;
  Clock::time_point heard_at_ = shard_.now();
  Clock::time_point active_at_ = shard_.now();  // when it last said something, or was seen to subscribe
  Clock::time_point ping_at_ = Clock::time_point::max();
  Clock::time_point deadline_ = Clock::time_point::max();  // of the handshake, the first token, or our goodbye
  TokenClock token_;
  Clock::time_point blocked_since_;  // since when the socket has taken nothing
  std::string message_;              // of which parts have come
  std::string_view payload_;         // of the message that is being handled
  Ptr awaiting_;                     // itself, while nothing is read because something is waited for
  char buffer_[kReadBytes];
};

// --- Beginning -------------------------------------------------------------------------------------------------------

void SetSocketOptions(Socket& socket, const EndpointRules& endpoint) {
  using Int = asio::detail::socket_option::integer<SOL_SOCKET, SO_SNDBUF>;
  error_code ignored;  // a socket that does not take an option still works
  socket.non_blocking(true, ignored);
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket.set_option(Int(static_cast<int>(endpoint.send_buffer_bytes)), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  // Finds peers that vanished without a word when heartbeats are off (reliability notes R38).
  // The last one also ends a connection whose peer takes nothing; the write deadline, which tells operators, comes
  // first.
  auto write_deadline = static_cast<int>(endpoint.session.write_deadline.count());
  const std::pair<int, int> options[] = {{TCP_KEEPIDLE, 60},
                                         {TCP_KEEPINTVL, 10},
                                         {TCP_KEEPCNT, 3},
                                         {TCP_USER_TIMEOUT, std::max(20'000, write_deadline + 5'000)}};
  for (auto [name, value] : options) {
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, name, &value, sizeof value);
  }
}

void WsSession::Accept(const Admission& admission, const std::string& subprotocol) {
  ws_.set_option(
      websocket::stream_base::timeout{websocket::stream_base::none(), websocket::stream_base::none(), false});
  ws_.set_option(websocket::stream_base::decorator([subprotocol](websocket::response_type& response) {
    response.set(http::field::server, "carillon");
    if (!subprotocol.empty()) response.set(http::field::sec_websocket_protocol, subprotocol);
  }));
  ws_.auto_fragment(false);
  ws_.read_message_max(session_.settings().max_message_bytes);
  deadline_ = shard_.now() + kHandshakeTimeout;
  ArmTimer();

  // The request was judged already; Beast gets what it needs of it to make its answer.
  auto request = std::make_unique<Request>(http::verb::get, "/", 11);
  request->set(http::field::host, "carillon");
  request->set(http::field::upgrade, "websocket");
  request->set(http::field::connection, "Upgrade");
  request->set(http::field::sec_websocket_key, admission.websocket_key);
  request->set(http::field::sec_websocket_version, "13");
  Request& borrowed = *request;
  ws_.async_accept(borrowed,
                   [self = Ptr(this), request = std::move(request)](error_code error) { self->OnAccepted(error); });
}

void WsSession::OnAccepted(error_code error) {
  if (error || phase_ != State::kHandshake) return Finish();
  layer().BeginFrames();
  phase_ = State::kOpen;
  registered_ = true;
  deadline_ = Clock::time_point::max();
  shard_.Register(session_);
  const hub::SessionSettings& settings = session_.settings();
  if (settings.ping_interval.count() > 0) {
    // A wave of reconnects must not become a wave of pings.
    static thread_local std::minstd_rand random(std::random_device{}());
    std::uniform_int_distribution<int64_t> phase(settings.ping_interval.count() / 2, settings.ping_interval.count());
    ping_at_ = shard_.now() + std::chrono::milliseconds(phase(random));
  }
  if (!close_because_.empty()) {
    session_.Close(close_with_, close_because_);
  } else if (state_.owes_auth) {
    deadline_ = shard_.now() + settings.auth_timeout;
  } else {
    Begin();
  }
  hub::Farewell::Meet(session_);
  if (phase_ == State::kDone) return;
  ArmTimer();
  if (MustWait()) return Await();
  begun_ = true;
  Read();
}

// --- Reading ---------------------------------------------------------------------------------------------------------

void WsSession::Read() {
  asio::mutable_buffer into(buffer_, sizeof buffer_);
  if (!message_.empty()) {
    size_t have = message_.size();
    message_.resize(have + std::min(kMaxReadBytes, ws_.read_size_hint(kReadBytes)));
    into = asio::buffer(message_.data() + have, message_.size() - have);
  }
  size_t room = into.size();
  ws_.async_read_some(into, [self = Ptr(this), room](error_code error, size_t size) {
    if (!self->message_.empty()) self->message_.resize(self->message_.size() - room + size);
    self->OnRead(error, size);
  });
}

void WsSession::OnRead(error_code error, size_t size) {
  if (phase_ == State::kDone) return;
  if (error) return OnReadEnd(error);
  if (!ws_.is_message_done()) {
    if (message_.empty()) message_.assign(buffer_, size);
    return Read();
  }
  payload_ = message_.empty() ? std::string_view(buffer_, size) : std::string_view(message_);
  HandleMessage();
}

void WsSession::HandleMessage() {
  active_at_ = shard_.now();
  if (phase_ == State::kOpen) {
    bool owed_auth = state_.owes_auth;
    Handle(payload_);
    if (MustWait()) return Await();
    if (owed_auth && !state_.owes_auth && phase_ == State::kOpen) {
      deadline_ = Clock::time_point::max();
      ArmTimer();
    }
    FollowToken();
  }
  ForgetWait();
  if (message_.capacity() > kMaxReadBytes) {
    message_ = {};
  } else {
    message_.clear();
  }
  if (phase_ < State::kDraining) Read();
}

// Nothing more is read until what is waited for is there or is known not to be; the message is then handled again, or
// the session's beginning is.
void WsSession::Await() {
  auto wait = std::exchange(state_.waiting->begin, nullptr);
  awaiting_ = Ptr(this);
  bool waits = wait([this, &shard = shard_, id = session_.id()] {
    asio::post(shard.io(), [this, &shard, id] {
      if (shard.FindSession(id) == nullptr) return;
      // `this` lives: the session that was found is a part of it.
      if (Ptr self = std::move(awaiting_)) Again();
    });
  });
  if (waits) return;
  awaiting_ = nullptr;
  Again();
}

void WsSession::Again() {
  state_.again = true;
  if (begun_) return HandleMessage();
  if (phase_ == State::kOpen) {
    Begin();
    if (phase_ == State::kDone) return;
    if (MustWait()) return Await();
  }
  begun_ = true;
  ForgetWait();
  if (phase_ < State::kDraining) Read();
}

void WsSession::ForgetWait() {
  state_.again = false;
  state_.waiting = nullptr;
}

// A fault of ours in what one session says ends that session, not the process.
template <class Work>
void WsSession::Guard(const Work& work) {
  try {
    work();
  } catch (const std::exception& error) {
    log::Error("edge", "what a client said could not be handled",
               {{"session", session_.id().ToString()}, {"why", error.what()}});
    session_.Close(wire::CloseCode::kInternal, wire::InfoOf(wire::CloseCode::kInternal).reason);
  }
}

void WsSession::Begin() {
  Guard([this] { handler_.Begin(session_, state_); });
  FollowToken();
}

void WsSession::Handle(std::string_view payload) {
  // Beast 1.81 does not look at the end of a text whose last fragment is empty.
  if (ws_.got_text() && !message_.empty() && !IsUtf8(payload)) {
    session_.Close(wire::CloseCode::kInvalidText, wire::InfoOf(wire::CloseCode::kInvalidText).reason);
    return Drain();  // as Beast does where it finds the error itself: nothing more is read
  }
  Guard([&] {
    handler_.Handle(session_, state_, ws_.got_text() ? wire::Opcode::kText : wire::Opcode::kBinary, payload);
  });
}

void WsSession::OnReadEnd(error_code error) {
  if (error == websocket::error::closed) {
    uint16_t code = ws_.reason().code;
    if (code == websocket::close_code::none) SetEnd(wire::CloseCode::kNoStatus);
    if (code == websocket::close_code::going_away) SetEnd(wire::CloseCode::kGoingAway);
    SetEnd(wire::CloseCode::kNormal);
    return Drain();
  }
  // A violation of ours, or Beast has said goodbye because of an error: the close frame must still get out. Anything
  // else is a broken connection.
  if (session_.outbox().sealed()) return Drain();
  Finish();
}

// --- Ending ----------------------------------------------------------------------------------------------------------

// The first cause counts.
void WsSession::SetEnd(wire::CloseCode code, std::string_view why) {
  if (end_ != wire::CloseCode::kAbnormal) return;
  end_ = code;
  if (WorthALine(code)) LogClose(session_, code, why, NetworkOf(PeerOf(layer().socket())));
}

void WsSession::Close(wire::CloseCode code, std::string_view reason, wire::CloseCode cause) {
  if (phase_ == State::kDone) return;
  SetEnd(cause, reason);
  if (phase_ == State::kOpen) phase_ = State::kClosing;
  hub::Outbox& outbox = session_.outbox();
  outbox.Push(hub::MakePacket(wire::CloseFrame(code, reason), hub::Packet::Kind::kProtocol));
  outbox.Seal();
  deadline_ = shard_.now() + kCloseTimeout;
  ArmTimer();
  Flush();
  state_.asking = nullptr;
  if (Ptr self = std::move(awaiting_)) Again();  // reads on, for the client's goodbye
}

void WsSession::Withdraw(std::string_view stream) {
  if (state_.asking != nullptr) state_.asking->Withdraw({std::string(stream)});
  if (awaiting_ == nullptr) return;
  Answers& answers = state_.waiting->answers;
  if (!answers.HasWithdrawn(std::string(stream))) answers.withdrawn.emplace_back(stream);
}

void WsSession::OnBeastClose(uint16_t code) {
  // Beast answers the client's goodbye, or reports an error with a code of its own.
  bool answer = ws_.reason().code != websocket::close_code::none;
  switch (answer ? 0 : code) {
    case 1002:
      SetEnd(wire::CloseCode::kProtocolError);
      break;
    case 1007:
      SetEnd(wire::CloseCode::kInvalidText);
      break;
    case 1009:
      SetEnd(wire::CloseCode::kTooBig);
      break;
    default:
      break;
  }
  if (phase_ == State::kOpen) phase_ = State::kClosing;
  state_.asking = nullptr;
  // A goodbye without a code is answered with 1000.
  session_.BeginClosing(wire::IsGoodbye(answer ? static_cast<uint16_t>(ws_.reason().code) : code));
  deadline_ = shard_.now() + kCloseTimeout;
  ArmTimer();
}

void WsSession::Drain() {
  if (phase_ >= State::kDraining) return;
  phase_ = State::kDraining;
  state_.asking = nullptr;
  session_.BeginClosing();
  deadline_ = std::min(deadline_, shard_.now() + kCloseTimeout);
  ArmTimer();
  if (layer().empty()) return ShutSendSide();
  Flush();
}

void WsSession::OnFlushed() {
  if (phase_ == State::kDraining) ShutSendSide();
}

void WsSession::ShutSendSide() {
  phase_ = State::kLingering;
  layer().link().SayGoodbye();
  error_code ignored;
  layer().socket().shutdown(Socket::shutdown_send, ignored);
  Linger();
}

// Closing with bytes unread would reset the connection and tear the close frame out of the client's hands. The close
// deadline bounds this.
void WsSession::Linger() {
  layer().socket().async_read_some(asio::buffer(buffer_), [self = Ptr(this)](error_code error, size_t) {
    if (self->phase_ == State::kDone) return;
    if (error) return self->Finish();
    self->Linger();
  });
}

// Ends the connection at once.
void WsSession::Abort() {
  if (phase_ == State::kDone) return;
  error_code ignored;
  layer().socket().set_option(asio::socket_base::linger(true, 0), ignored);  // a reset, not a FIN behind the queue
  Finish();
}

void WsSession::Finish() {
  if (phase_ == State::kDone) return;
  phase_ = State::kDone;
  hub::TimerWheel::Disarm(*this);
  place_ = nullptr;
  state_.asking = nullptr;
  if (state_.waiting != nullptr) state_.waiting->inquiry = nullptr;
  session_.BeginClosing();
  if (registered_) shard_.Unregister(session_, end_);
  error_code ignored;
  layer().socket().close(ignored);  // completes what is pending, which lets go of this
  if (awaiting_ != nullptr) asio::post(shard_.io(), [kept = std::move(awaiting_)] {});
  session_.outbox().Clear();
}

// --- Time ------------------------------------------------------------------------------------------------------------

void WsSession::OnBlocked(bool anew) {
  if (anew) blocked_since_ = shard_.now();
  ArmTimer();
}

void WsSession::ArmTimer() {
  if (phase_ == State::kDone) return;
  const hub::SessionSettings& settings = session_.settings();
  Clock::time_point due = deadline_;
  if (phase_ == State::kOpen) {
    due = std::min({due, ping_at_, token_.due()});
    if (settings.peer_timeout.count() > 0) due = std::min(due, heard_at_ + settings.peer_timeout);
    if (settings.idle_timeout.count() > 0) due = std::min(due, active_at_ + settings.idle_timeout);
    if (layer().blocked()) due = std::min(due, blocked_since_ + settings.write_deadline);
  }
  if (due != Clock::time_point::max()) {
    shard_.wheel().Arm(*this, due);
  } else if (is_linked()) {
    hub::TimerWheel::Disarm(*this);
  }
}

// The session may have its user, or a new token, from here on.
void WsSession::FollowToken() {
  if (session_.identity() == nullptr || phase_ != State::kOpen) return;
  if (token_.Follow(*session_.identity(), wire::WallClock::now()) && LookAtToken()) ArmTimer();
}

// False where the session is closed.
bool WsSession::LookAtToken() {
  auto now = wire::WallClock::now();
  const auth::Identity& identity = *session_.identity();
  switch (token_.Look(identity, now, shard_.now())) {
    case TokenClock::Says::kNothing:
      break;
    case TokenClock::Says::kEnds:
      session_.Reply(
          dialect::TokenExpiring{std::chrono::ceil<std::chrono::milliseconds>(identity.valid_until - now).count()});
      break;
    case TokenClock::Says::kEnded:
      session_.Close(wire::CloseCode::kTokenExpired, wire::InfoOf(wire::CloseCode::kTokenExpired).reason);
      break;
  }
  return phase_ == State::kOpen;
}

// True where the session is closed: it is nobody's, listens to no stream, and nothing was said either way for long.
bool WsSession::LookWhetherIdle(Clock::time_point now) {
  active_at_ = std::max(active_at_, session_.offered_at());
  bool listens = session_.identity() != nullptr || session_.streams() > 0 || state_.owes_auth;
  if (listens) active_at_ = now;
  if (active_at_ + session_.settings().idle_timeout > now) return false;
  session_.Close(wire::CloseCode::kIdle, wire::InfoOf(wire::CloseCode::kIdle).reason);
  return true;
}

void WsSession::OnTimer() {
  Ptr keep(this);
  Clock::time_point now = shard_.now();
  const hub::SessionSettings& settings = session_.settings();
  if (awaiting_ != nullptr && phase_ == State::kOpen) {  // it is us who do not listen, as long as a fetch may take
    heard_at_ = now;
    if (state_.owes_auth) deadline_ = std::max(deadline_, now + kPutOff);
  }
  if (deadline_ <= now) {
    if (phase_ == State::kOpen && state_.owes_auth) {
      session_.Close(wire::CloseCode::kAuthTimeout, wire::InfoOf(wire::CloseCode::kAuthTimeout).reason);
    } else {
      Abort();  // the handshake's answer does not get out, or our goodbye is not answered
    }
    return;
  }
  if (phase_ == State::kOpen) {
    if (token_.due() <= now && !LookAtToken()) return;
    if (settings.peer_timeout.count() > 0 && heard_at_ + settings.peer_timeout <= now) {
      session_.Close(wire::CloseCode::kPingTimeout, wire::InfoOf(wire::CloseCode::kPingTimeout).reason);
      deadline_ = std::min(deadline_, now + kDeadCloseTimeout);
      ArmTimer();
      return;
    }
    if (settings.idle_timeout.count() > 0 && active_at_ + settings.idle_timeout <= now && LookWhetherIdle(now)) return;
    if (layer().blocked() && blocked_since_ + settings.write_deadline <= now) {
      SetEnd(wire::CloseCode::kSlowConsumer, "nothing taken within write_deadline");
      shard_.stats().slow_consumers.Add();
      hub::RecordSlow(session_, true);
      Abort();
      return;
    }
    if (ping_at_ <= now) {
      ping_at_ = now + settings.ping_interval;
      std::string ping;
      wire::AppendFrame(ping, wire::Opcode::kPing, "");
      session_.outbox().Shrink();
      session_.outbox().Push(hub::MakePacket(std::move(ping), hub::Packet::Kind::kProtocol));
      Flush();
    }
  }
  ArmTimer();
}

}  // namespace

void BeginWsSession(hub::Shard& shard, const CommandHandler& handler, Link link, std::string unread,
                    const Admission& admission) {
  SetSocketOptions(link.socket(), *admission.endpoint);
  WsSession::Ptr session(new WsSession(shard, handler, std::move(link), std::move(unread), admission));
  session->Accept(admission, admission.subprotocol);
}

}  // namespace carillon::edge
