#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

#include "gateway/engine/memory_engine.h"
#include "tests/support/fake_door.h"
#include "tests/support/logged.h"
#include "tests/support/seed.h"

namespace carillon::engine {
namespace {

using test::OffsetsOf;
using test::Time;

constexpr wire::TopicView kChat{0, wire::TopicKind::kStream, "chat"};
constexpr size_t kMessages = 20;
constexpr size_t kMaxReplay = 12;
constexpr std::chrono::milliseconds kAge{1000};

// What one stream's log must do, said as plainly as can be: everything that was ever published, and when.
struct Reference {
  struct Entry {
    uint64_t offset;
    Time time;
  };

  std::string epoch;
  uint64_t top = 0;
  wire::Position cleared;  // where it stood before the last clear
  Time complete_since;
  std::vector<Entry> kept;
  std::map<std::string, std::pair<std::string, std::optional<uint64_t>>> requests;  // id to (event, offset)

  void Trim(Time now) {
    while (!kept.empty() && (kept.size() > kMessages || kept.front().time + kAge <= now)) {
      complete_since = std::max(complete_since, kept.front().time);
      kept.erase(kept.begin());
    }
  }
  void Publish(Time now) {
    Trim(now);
    kept.push_back({++top, now});
    Trim(now);
  }
  std::vector<uint64_t> Newer(uint64_t offset) const {
    std::vector<uint64_t> offsets;
    for (const Entry& entry : kept) {
      if (entry.offset > offset) offsets.push_back(entry.offset);
    }
    return offsets;
  }
  std::pair<Recovery, std::vector<uint64_t>> Recover(const std::string& from_epoch, uint64_t offset) const {
    if (from_epoch != epoch || offset > top) return {Recovery::kEpochChanged, {}};
    std::vector<uint64_t> newer = Newer(offset);
    if (newer.size() < top - offset) return {Recovery::kTrimmed, {}};
    if (newer.size() > kMaxReplay) return {Recovery::kTooFar, {}};
    return {Recovery::kOk, newer};
  }
  std::pair<Recovery, std::vector<uint64_t>> RecoverSince(Time time) const {
    std::vector<uint64_t> newer;
    for (const Entry& entry : kept) {
      if (entry.time > time) newer.push_back(entry.offset);
    }
    if (complete_since > time) return {kept.size() == top ? Recovery::kEpochChanged : Recovery::kTrimmed, {}};
    if (newer.size() > kMaxReplay) return {Recovery::kTooFar, {}};
    return {Recovery::kOk, newer};
  }
};

// One stream, driven at random beside its reference: published to, read in every way, grown old, cleared, carried over
// to another process by a snapshot.
class LogModelTest : public ::testing::Test {
 protected:
  LogModelTest() {
    char name[] = "/tmp/carillon-model-XXXXXX";
    folder_ = ::mkdtemp(name);
    Start();
    reference_.epoch = Subscribe({}).top.epoch;
    reference_.complete_since = now_;
  }
  ~LogModelTest() override { std::filesystem::remove_all(folder_); }

  void Start() {
    MemoryEngineOptions options;
    TopicRule rule;
    rule.log = {LogMode::kLog, kMessages, 1 << 20, kAge, kMaxReplay};
    options.rules = StreamRules({{"*", rule}}, {});
    options.now = [this] { return now_; };
    door_ = std::make_unique<test::FakeDoor>();
    door_->keeps = false;
    engine_ = std::make_unique<MemoryEngine>(*door_, std::move(options));
  }

  Subscribed Subscribe(const Since& since) {
    Subscribed subscribed = engine_->Subscribe(kChat, 0, since);
    engine_->Unsubscribe(kChat, 0, true);
    return subscribed;
  }

  // Old messages go when somebody looks; not everything that looks says what is left.
  void TrimBoth() {
    reference_.Trim(now_);
    Subscribe({});
  }

  void Publish() {
    // Few ids and events, so that they meet again.
    std::string event = "e" + std::to_string(random_.Below(2));
    Publication publication{kChat, test::MessageAt(event, now_)};
    std::string id = random_.OneIn(3) ? "id" + std::to_string(random_.Below(5000)) : "";
    publication.request_id = id;
    publication.fingerprint = event == "e0" ? 1 : 2;
    publication.skip_history = random_.OneIn(10);
    wire::Position expected{random_.OneIn(10) ? "other" : reference_.epoch, reference_.top - random_.Below(2) % 2};
    if (!publication.skip_history && random_.OneIn(8)) publication.expected = &expected;

    auto published = engine_->Publish(publication);

    if (auto it = reference_.requests.find(id); !id.empty() && it != reference_.requests.end()) {
      if (it->second.first != event) {
        ASSERT_EQ(published.status().code(), absl::StatusCode::kAlreadyExists);
        return;
      }
      ASSERT_TRUE(published.ok() && published->duplicate);
      ASSERT_EQ(published->position.has_value(), it->second.second.has_value());
      if (it->second.second) {
        ASSERT_EQ(published->position->offset, *it->second.second);
      }
      return;
    }
    if (publication.expected != nullptr && expected != wire::Position{reference_.epoch, reference_.top}) {
      ASSERT_EQ(published.status().code(), absl::StatusCode::kAborted);
      return;
    }
    ASSERT_TRUE(published.ok());
    ASSERT_FALSE(published->duplicate);
    std::optional<uint64_t> offset;
    if (!publication.skip_history) {
      reference_.Publish(now_);
      offset = reference_.top;
      ASSERT_EQ(published->position, (wire::Position{reference_.epoch, reference_.top}));
    } else {
      ASSERT_FALSE(published->position.has_value());
    }
    if (!id.empty()) reference_.requests[id] = {event, offset};
  }

  void Check(const Subscribed& got, const std::pair<Recovery, std::vector<uint64_t>>& want, uint64_t from) {
    ASSERT_EQ(got.replay.recovery, want.first);
    ASSERT_EQ(OffsetsOf(got.replay.frames), want.second);
    ASSERT_EQ(got.top, (wire::Position{reference_.epoch, reference_.top}));
    ASSERT_EQ(got.replay.from, (wire::Position{reference_.epoch, from}));
  }

  void RecoverPosition() {
    std::string epoch = random_.OneIn(10) ? "other" : reference_.epoch;
    uint64_t offset = reference_.top - std::min<uint64_t>(reference_.top, random_.Below(kMessages + 5));
    if (random_.OneIn(20)) offset = reference_.top + 1 + random_.Below(3);
    reference_.Trim(now_);
    auto want = reference_.Recover(epoch, offset);
    Check(Subscribe(test::Position(epoch, offset)), want, want.first == Recovery::kOk ? offset : reference_.top);
  }

  void RecoverTime() {
    Time time = now_ - std::chrono::milliseconds(random_.Below(1500));
    reference_.Trim(now_);
    auto want = reference_.RecoverSince(time);
    Check(Subscribe(test::After(time)), want, want.second.empty() ? reference_.top : want.second.front() - 1);
  }

  void RecoverLast() {
    uint64_t count = random_.Below(kMessages + 5);
    reference_.Trim(now_);
    std::vector<uint64_t> kept = reference_.Newer(0);
    size_t want = std::min({count, uint64_t{kMaxReplay}, uint64_t{kept.size()}});
    kept.erase(kept.begin(), kept.end() - static_cast<ptrdiff_t>(want));
    Check(Subscribe(test::Last(count)), {Recovery::kOk, kept}, reference_.top - want);
  }

  // Of somebody who stood in the log before it was cleared.
  void CatchUpAcrossAClear() {
    wire::Position at{reference_.cleared.epoch, random_.Below(reference_.cleared.offset + 1)};
    TrimBoth();

    CaughtUp next = engine_->CatchUp(kChat, at, kMessages);

    std::vector<uint64_t> newer = reference_.Newer(0);
    uint64_t trimmed = reference_.top - newer.size();
    ASSERT_FALSE(next.broken);
    ASSERT_EQ(next.lost, reference_.cleared.offset - at.offset + trimmed);
    ASSERT_EQ(next.at, (wire::Position{reference_.epoch, trimmed}));
    ASSERT_EQ(OffsetsOf(next.frames), newer);
  }

  void CatchUp() {
    if (!reference_.cleared.epoch.empty() && random_.OneIn(4)) return CatchUpAcrossAClear();
    uint64_t offset = reference_.top - std::min<uint64_t>(reference_.top, random_.Below(kMessages + 5));
    size_t limit = 1 + random_.Below(8);
    TrimBoth();

    CaughtUp next = engine_->CatchUp(kChat, {reference_.epoch, offset}, limit);

    std::vector<uint64_t> newer = reference_.Newer(offset);
    uint64_t lost = reference_.top - offset - newer.size();
    ASSERT_EQ(next.lost, lost);
    ASSERT_EQ(next.at, (wire::Position{reference_.epoch, offset + lost}));
    newer.resize(std::min(newer.size(), limit));
    ASSERT_EQ(OffsetsOf(next.frames), newer);
  }

  void List() {
    reference_.Trim(now_);
    uint64_t offset = reference_.top - std::min<uint64_t>(reference_.top, random_.Below(kMessages + 5));
    wire::Position after{reference_.epoch, offset};
    size_t limit = 1 + random_.Below(8);

    auto page = engine_->List(kChat, &after, limit, 1 << 20);

    std::vector<uint64_t> newer = reference_.Newer(offset);
    if (newer.size() < reference_.top - offset) {
      ASSERT_EQ(page.status().code(), absl::StatusCode::kAborted);
      return;
    }
    bool more = newer.size() > limit;
    newer.resize(std::min(newer.size(), limit));
    ASSERT_TRUE(page.ok());
    ASSERT_EQ(OffsetsOf(page->frames), newer);
    ASSERT_EQ(page->more, more);
  }

  void Clear() {
    TrimBoth();
    uint64_t kept = reference_.kept.size();
    auto cleared = engine_->Clear(kChat);
    ASSERT_TRUE(cleared.ok());
    ASSERT_EQ(cleared->messages, kept);
    ASSERT_NE(cleared->top.epoch, reference_.epoch);
    reference_.kept.clear();
    reference_.cleared = {reference_.epoch, reference_.top};
    reference_.epoch = cleared->top.epoch;
    reference_.top = 0;
    reference_.complete_since = now_;
  }

  void Restart() {
    std::string path = folder_ / "logs";
    ASSERT_TRUE(engine_->WriteSnapshot(path).ok());
    Start();
    reference_.cleared = {};  // nobody who stood there is connected any more
    ASSERT_TRUE(engine_->LoadSnapshot(path).ok());
    ASSERT_FALSE(std::filesystem::exists(path));
    reference_.requests.clear();  // these are not carried over: docs/guarantees.md
  }

  void Step() {
    size_t dice = random_.Below(1000);
    if (dice < 400) return Publish();
    if (dice < 600) return RecoverPosition();
    if (dice < 680) return RecoverTime();
    if (dice < 740) return RecoverLast();
    if (dice < 820) return CatchUp();
    if (dice < 880) return List();
    if (dice < 990) {
      now_ += std::chrono::milliseconds(random_.Below(random_.OneIn(50) ? 1500 : 60));
      return;
    }
    if (dice < 995) return engine_->Sweep();
    if (dice < 999) return random_.OneIn(10) ? Clear() : Publish();
    if (random_.OneIn(10)) Restart();
  }

  test::Random random_;
  std::filesystem::path folder_;
  Time now_ = test::At(0);
  std::unique_ptr<test::FakeDoor> door_;
  std::unique_ptr<MemoryEngine> engine_;
  Reference reference_;
};

TEST_F(LogModelTest, AMillionOperationsBehaveLikeThePlainLog) {
  size_t steps = test::Scaled(1'000'000);
  for (size_t i = 0; i < steps; ++i) {
    Step();
    ASSERT_FALSE(HasFatalFailure()) << "operation " << i;
  }
}

}  // namespace
}  // namespace carillon::engine
