#include "control/tail.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "control/control_service.h"
#include "control/field_checks.h"
#include "gateway/base/log.h"
#include "gateway/base/utf8.h"
#include "gateway/hub/node.h"
#include "gateway/wire/envelope_json.h"
#include "gateway/wire/json_check.h"
#include "gateway/wire/json_members.h"
#include "gateway/wire/ws_frame.h"

namespace carillon::control {
namespace {

using google::protobuf::util::TimeUtil;
using std::chrono::milliseconds;

constexpr uint32_t kUsualPayloadBytes = 4096;
constexpr uint32_t kMostPayloadBytes = 64 << 10;
constexpr uint32_t kMostEvery = 1'000'000;
constexpr milliseconds kUsualAge = std::chrono::minutes(10);
constexpr milliseconds kLeastAge = std::chrono::seconds(1);
constexpr milliseconds kMostAge = std::chrono::hours(1);

// How long something may lie in a tap before somebody looks.
constexpr milliseconds kLook{50};

// How long a call that is to end waits for a caller that does not read.
constexpr milliseconds kPatience{1000};

// Of one response.
constexpr size_t kMostFrames = 64;
constexpr size_t kMostBytes = 1 << 20;

constexpr size_t kMostFields = 64;
constexpr size_t kMostNameBytes = 64;
constexpr size_t kMostMembers = 64;  // of "meta"

google::protobuf::Timestamp TimestampOf(wire::WallClock::time_point time) {
  return TimeUtil::MicrosecondsToTimestamp(
      std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count());
}

// How a payload is shown.
struct Show {
  bool payloads;
  size_t max_bytes;
};

// Annotations, by the JSON object that has them.
void FillMeta(std::string_view json, v1::TailFrame* frame) {
  for (const wire::JsonMember& member : wire::MembersOf(json, kMostMembers)) {
    (*frame->mutable_meta())[member.name] = wire::Unquoted(member.value);
  }
}

// A payload that is checked JSON.
void FillPayload(std::string_view json, const Show& show, v1::TailFrame* frame) {
  frame->set_payload_type(std::string(wire::JsonTypeOf(json)));
  frame->set_payload_bytes(json.size());
  for (const wire::JsonMember& member : wire::MembersOf(json, kMostFields)) {
    v1::TailField* field = frame->add_fields();
    field->set_name(std::string(Utf8Front(member.name, kMostNameBytes)));
    field->set_type(std::string(wire::JsonTypeOf(member.value)));
  }
  if (!show.payloads) return;
  std::string_view front = Utf8Front(json, show.max_bytes);
  frame->set_payload(std::string(front));
  frame->set_payload_cut(front.size() < json.size());
}

void Fill(const wire::Frame& message, const Show& show, v1::TailFrame* frame) {
  const v1::Envelope& envelope = message.envelope();
  frame->set_direction(v1::TAIL_DIRECTION_OUT);
  frame->set_stream(envelope.stream());
  frame->set_event(envelope.event());
  frame->set_bytes(message.bytes());
  if (hub::IsSecretEvent(envelope.event())) return frame->set_secret(true);
  std::string meta;
  wire::AppendMetaJson(meta, envelope);
  FillMeta(meta, frame);
  std::string json;
  wire::AppendPayloadJson(json, envelope);
  FillPayload(json, show, frame);
  if (envelope.has_binary()) frame->set_payload_type("binary");
}

// The payload of the first of some WebSocket frames as a server writes them (RFC 6455 section 5.2); nothing where it is
// no text.
std::string_view TextOf(std::string_view bytes) {
  auto at = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(bytes[i])); };
  if (bytes.size() < 2 || (at(0) & 0x0F) != static_cast<size_t>(wire::Opcode::kText)) return {};
  size_t length = at(1) & 0x7F;
  size_t header = 2;
  size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (bytes.size() < header + extended) return {};
  if (extended > 0) length = 0;
  for (size_t i = 0; i < extended; ++i) length = length << 8 | at(header++);
  return bytes.substr(header, length);
}

// A backend's answer to an event names the event.
bool AnswersSecret(const v1::TailFrame& frame, std::string_view data) {
  if (frame.stream() != wire::kSystemStream || frame.event() != "answer") return false;
  for (const wire::JsonMember& member : wire::MembersOf(data, kMostMembers)) {
    if (member.name == "event") return hub::IsSecretEvent(wire::Unquoted(member.value));
  }
  return false;
}

// What a session is given to read is an envelope of the native dialect, or, of another dialect, opaque.
void Fill(std::string_view bytes, const Show& show, v1::TailFrame* frame) {
  frame->set_direction(v1::TAIL_DIRECTION_OUT);
  frame->set_bytes(bytes.size());
  std::string_view text = TextOf(bytes);
  if (!wire::CheckJson(text).ok()) return;
  std::string_view data;
  std::string_view meta;
  for (const wire::JsonMember& member : wire::MembersOf(text, kMostMembers)) {
    if (member.name == "stream") frame->set_stream(wire::Unquoted(member.value));
    if (member.name == "event") frame->set_event(wire::Unquoted(member.value));
    if (member.name == "data") data = member.value;
    if (member.name == "meta") meta = member.value;
  }
  if (hub::IsSecretEvent(frame->event()) || AnswersSecret(*frame, data)) return frame->set_secret(true);
  if (!meta.empty()) FillMeta(meta, frame);
  if (!data.empty()) FillPayload(data, show, frame);
}

void Fill(const hub::Said& said, const Show& show, v1::TailFrame* frame) {
  frame->set_direction(v1::TAIL_DIRECTION_IN);
  frame->set_action(said.action);
  frame->set_stream(said.stream);
  frame->set_event(said.event);
  frame->set_bytes(said.bytes);
  frame->set_secret(said.secret);
  if (!said.secret && !said.json.empty()) FillPayload(said.json, show, frame);
}

// What is looked at.
StatusOr<wire::Topic> ReadTarget(const v1::TailRequest& request, const Caller& caller) {
  switch (request.target_case()) {
    case v1::TailRequest::kUserId:
      RETURN_IF_ERROR(CheckUser("user_id", request.user_id()));
      return caller.TopicOf(request.app(), wire::TopicKind::kUser, request.user_id());
    case v1::TailRequest::kSessionId:
      RETURN_IF_ERROR(CheckSession("session_id", request.session_id()));
      return caller.TopicOf(request.app(), wire::TopicKind::kSession, request.session_id());
    case v1::TailRequest::kStream:
      RETURN_IF_ERROR(CheckStream("stream", request.stream()));
      return caller.TopicOf(request.app(), wire::TopicKind::kStream, request.stream());
    case v1::TailRequest::TARGET_NOT_SET:
      break;
  }
  return FieldError("target", "say what to look at: user_id, session_id or stream");
}

StatusOr<milliseconds> ReadAge(const v1::TailRequest& request) {
  if (!request.has_max_age()) return kUsualAge;
  const auto& age = request.max_age();
  bool sound =
      age.seconds() >= 0 && age.seconds() <= kMostAge.count() / 1000 && age.nanos() >= 0 && age.nanos() < 1'000'000'000;
  milliseconds value(sound ? TimeUtil::DurationToMilliseconds(age) : 0);
  if (value < kLeastAge || value > kMostAge) return FieldError("max_age", "1 s to 1 h");
  return value;
}

std::string_view WordOf(wire::TopicKind kind) {
  return kind == wire::TopicKind::kUser ? "user" : kind == wire::TopicKind::kSession ? "session" : "stream";
}

}  // namespace

StatusOr<std::shared_ptr<void>> Tails::Enter(const std::string& key) {
  std::lock_guard lock(open_->mutex);
  if (open_->keys.size() >= kMost) {
    return WithReason(ResourceExhausted("there are {} tails on this gateway already: as many as there may be", kMost),
                      "LIMIT_REACHED");
  }
  if (!key.empty() && open_->keys.count(key) >= kMostOfKey) {  // else there are no keys
    return WithReason(
        ResourceExhausted("the key {} has {} tails on this gateway already: as many as one may have", key, kMostOfKey),
        "LIMIT_REACHED");
  }
  open_->keys.insert(key);
  return std::shared_ptr<void>(nullptr, [open = open_, key](void*) {
    std::lock_guard lock(open->mutex);
    open->keys.erase(open->keys.find(key));
  });
}

void Tails::Count(uint64_t frames, uint64_t lost) {
  frames_.Add(frames);
  lost_.Add(lost);
}

void Tails::Collect(MetricsWriter& writer) const {
  std::unique_lock lock(open_->mutex);
  size_t open = open_->keys.size();
  lock.unlock();
  writer.Gauge("carillon_tails", "Calls of Tail that run now.", static_cast<double>(open));
  writer.Counter("carillon_tail_frames_total", "Frames that were shown to tails.", frames_.value());
  writer.Counter("carillon_tail_lost_total", "Frames that tails did not read in time.", lost_.value());
}

void FillFrame(const hub::Tapped& tapped, bool payloads, size_t max_payload_bytes, v1::TailFrame* frame) {
  *frame->mutable_time() = TimestampOf(tapped.time);
  if (tapped.session.has_value()) frame->set_session_id(tapped.session->ToString());
  Show show{payloads, max_payload_bytes};
  if (tapped.frame != nullptr) {
    Fill(*tapped.frame, show, frame);
  } else if (tapped.said.has_value()) {
    Fill(*tapped.said, show, frame);
  } else {
    Fill(tapped.bytes, show, frame);
  }
}

Tail* Tail::Begin(ControlContext& context, const grpc::ServerContextBase& metadata, const v1::TailRequest& request,
                  Call& call) {
  std::shared_ptr<Tail> made(new Tail(context, metadata, request, call));
  made->self_ = made;
  if (Status status = made->Prepare(); !status.ok()) {
    made->End(status);
  } else {
    made->Attach();
  }
  return made.get();
}

Tail::~Tail() {
  context_.open_calls.Remove(this);
}

Status Tail::Prepare() {
  if (context_.stopping.load()) return absl::UnavailableError(kShuttingDown);
  auto caller = CheckCaller(metadata_, context_.keys, context_.apps, auth::Verb::kAdmin);
  auto topic = caller.ok() ? ReadTarget(request_, **caller) : caller.status();
  Status status = topic.status();
  if (absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status)) {
    context_.refusals.Add(status, CallerName(metadata_, context_.keys));
  }
  RETURN_IF_ERROR(status);
  ASSIGN_OR_RETURN(milliseconds age, ReadAge(request_));
  if (request_.max_payload_bytes() > kMostPayloadBytes) {
    return FieldError("max_payload_bytes", fmt::format("at most {}", kMostPayloadBytes));
  }
  if (request_.sample_every() > kMostEvery) return FieldError("sample_every", fmt::format("at most {}", kMostEvery));
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(place_, context_.tails.Enter((*caller)->name()));
  max_payload_bytes_ = request_.max_payload_bytes() == 0 ? kUsualPayloadBytes : request_.max_payload_bytes();
  deadline_ = Clock::now() + age;
  app_ = (*(*caller)->AppOf(request_.app()))->name;
  by_ = (*caller)->name();
  running_ = context_.running.Begin();
  tap_ = std::make_shared<hub::Tap>(*std::move(topic),
                                    hub::Tap::Sample{request_.sample_every(), request_.max_per_second()});
  log::Info("control", "a tail begins",
            {{"by", by_},
             {"app", app_},
             {"what", WordOf(tap_->topic().kind)},
             {"which", tap_->topic().name},
             {"payloads", request_.payloads() ? "yes" : "no"},
             {"seconds", std::chrono::duration_cast<std::chrono::seconds>(age).count()}});
  return absl::OkStatus();
}

void Tail::Attach() {
  context_.open_calls.Add(this);
  if (context_.stopping.load()) OnStop();  // the others may have been told before
  context_.node.Attach(tap_, [self = weak_from_this()](size_t sessions, bool partial) {
    if (auto tail = self.lock()) tail->OnAttached(sessions, partial);
  });
}

void Tail::OnAttached(size_t sessions, bool partial) {
  std::unique_lock lock(mutex_);
  sessions_ = sessions;
  lock.unlock();
  if (partial) {
    End(absl::UnavailableError("a shard did not answer in time"));
  } else if (tap_->topic().kind == wire::TopicKind::kSession && sessions == 0) {
    End(WithReason(absl::NotFoundError("there is no such session"), "SESSION_UNKNOWN"));
  } else {
    LookSoon();
    Advance();
  }
}

void Tail::LookSoon() {
  context_.node.After(kLook, [self = weak_from_this()] {
    auto tail = self.lock();
    if (tail == nullptr) return;
    tail->LookSoon();
    tail->Advance();
  });
}

// Keys and apps may have changed since the call began.
Status Tail::CheckStill() {
  auto caller = CheckCaller(metadata_, context_.keys, context_.apps, auth::Verb::kAdmin);
  return caller.ok() ? ReadTarget(request_, **caller).status() : caller.status();
}

void Tail::OnWritten(bool ok) {
  std::unique_lock lock(mutex_);
  busy_ = false;
  to_end_since_ = std::nullopt;
  if (!ok && (!end_.has_value() || end_->ok())) end_ = absl::CancelledError("the caller is gone");
  lock.unlock();
  Advance();
}

void Tail::OnCancel() {
  End(absl::CancelledError("the caller is gone"));
}

void Tail::OnStop() {
  End(absl::UnavailableError(kShuttingDown));
}

void Tail::OnDone() {
  std::shared_ptr<Tail> self = std::move(self_);
  std::unique_lock lock(mutex_);
  std::shared_ptr<void> running = std::move(running_);
  std::shared_ptr<void> place = std::move(place_);
  std::shared_ptr<hub::Tap> tap = tap_;
  uint64_t shown = shown_;
  uint64_t lost = lost_;
  Status end = end_.value_or(absl::OkStatus());
  lock.unlock();
  if (tap == nullptr) return;
  context_.node.Detach(tap);
  context_.tails.Count(shown, lost);
  log::Info("control", "a tail ends",
            {{"by", by_},
             {"app", app_},
             {"what", WordOf(tap->topic().kind)},
             {"which", tap->topic().name},
             {"frames", shown},
             {"lost", lost},
             {"why", end.ok() ? "it is over" : MessageOf(end)}});
}

// Another error, even where it was to end well: nothing more is said.
void Tail::End(const Status& status) {
  std::unique_lock lock(mutex_);
  if (!finished_ && (!end_.has_value() || end_->ok())) end_ = status;
  lock.unlock();
  Advance();
}

// False where there is nothing to say. The lock is held.
bool Tail::FillResponse() {
  bool over = Clock::now() >= deadline_;
  if (over) tap_->End();  // what waits is still told
  hub::Tap::Taken taken = tap_->Take(kMostFrames, kMostBytes);
  response_.Clear();
  for (const hub::Tapped& tapped : taken.frames) {
    FillFrame(tapped, request_.payloads(), max_payload_bytes_, response_.add_frames());
  }
  response_.set_left_out(taken.left_out);
  response_.set_lost(taken.lost);
  shown_ += taken.frames.size();
  lost_ += taken.lost;
  if (!std::exchange(begun_, true)) {
    response_.mutable_begun()->set_sessions(
        tap_->topic().kind == wire::TopicKind::kStream ? 0 : static_cast<uint32_t>(*sessions_));
    auto left = std::chrono::duration_cast<milliseconds>(deadline_ - Clock::now());
    *response_.mutable_begun()->mutable_end_time() = TimestampOf(wire::WallClock::now() + left);
  }
  if (taken.ended && !taken.more) {
    response_.set_end(over ? v1::TAIL_END_MAX_AGE : v1::TAIL_END_SESSION_GONE);
    end_ = absl::OkStatus();
  }
  return response_.ByteSizeLong() > 0;
}

// True, once, where the call is to end, and its caller has not read what is written for long. The lock is held.
bool Tail::GiveUp() {
  if (!busy_ || given_up_) return false;
  if (!end_.has_value() && Clock::now() < deadline_ && CheckStill().ok()) {
    to_end_since_ = std::nullopt;
    return false;
  }
  if (!to_end_since_.has_value()) to_end_since_ = Clock::now();
  given_up_ = Clock::now() - *to_end_since_ >= kPatience;
  return given_up_;
}

// Others may have the call's place, and the gateway may end, whenever gRPC is done with it: a connection that takes
// nothing holds that up.
void Tail::CutOff(std::unique_lock<std::mutex>& lock) {
  end_ = absl::CancelledError("the caller does not read");
  tap_->End();
  cutting_ = true;
  std::shared_ptr<void> place = std::move(place_);
  std::shared_ptr<void> running = std::move(running_);
  lock.unlock();
  place = nullptr;
  running = nullptr;
  call_.Cut();
  lock.lock();
  cutting_ = false;
}

// Writes what comes next or ends the call, as far as nobody else is at it. gRPC is called without the lock.
void Tail::Advance() {
  std::unique_lock lock(mutex_);
  if (GiveUp()) CutOff(lock);
  if (busy_ || finished_ || cutting_) return;
  bool write = false;
  if (!end_.has_value() && sessions_.has_value()) {
    if (Status still = CheckStill(); !still.ok()) {
      end_ = still;
    } else {
      busy_ = write = FillResponse();
    }
  }
  bool finish = !write && end_.has_value();
  if (finish) finished_ = true;
  Status end = end_.value_or(absl::OkStatus());
  lock.unlock();
  if (write) call_.Write(&response_);
  if (finish) call_.Finish(end);
}

}  // namespace carillon::control
