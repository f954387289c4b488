#include "gateway/wire/new_envelope.h"

#include <gtest/gtest.h>

#include <set>

namespace carillon::wire {
namespace {

TEST(NewEnvelopeTest, IsOfTheMomentAndHasAnIdOfItsOwn) {
  WallClock::time_point now{std::chrono::milliseconds(1'700'000'000'123)};
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) {
    v1::Envelope envelope = NewEnvelope("chat", "note", now);
    EXPECT_EQ(envelope.stream(), "chat");
    EXPECT_EQ(envelope.event(), "note");
    EXPECT_EQ(envelope.time().seconds(), 1'700'000'000);
    EXPECT_EQ(envelope.time().nanos(), 123'000'000);
    EXPECT_EQ(envelope.payload_case(), v1::Envelope::PAYLOAD_NOT_SET);
    EXPECT_TRUE(ids.insert(envelope.id()).second);
  }
}

}  // namespace
}  // namespace carillon::wire
