#include "gateway/hub/packet_maker.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include "tests/support/test_node.h"

namespace carillon::hub {
namespace {

class PacketMakerTest : public ::testing::Test {
 protected:
  PacketPtr Make(const std::string& event, const std::string& stream = "chat", size_t payload_bytes = 0) {
    frame_ = test::MakeFrame(event, stream, payload_bytes);
    engine::Delivery delivery{wire::Topic(test::StreamTopic(stream)), frame_, 1};
    return maker_.Make(delivery, dialect::Native());
  }

  // The bytes that the newest frame has as its encoding.
  std::string_view Encoded() const {
    const dialect::Dialect& native = dialect::Native();
    return frame_->Encoded(native.encoding(), native.encode());
  }

  static bool Follows(const PacketPtr& second, const PacketPtr& first) {
    return second->bytes().data() == first->bytes().data() + first->bytes().size();
  }

  PacketMaker maker_;
  wire::FramePtr frame_;
};

TEST_F(PacketMakerTest, APacketHasTheFramesBytes) {
  for (const char* event : {"one", "two", "three"}) {
    PacketPtr packet = Make(event);
    EXPECT_EQ(packet->bytes(), Encoded());
  }
}

TEST_F(PacketMakerTest, MessagesOfOneTopicLieEndToEnd) {
  PacketPtr first = Make("one");
  PacketPtr second = Make("two");
  PacketPtr third = Make("three");

  EXPECT_FALSE(Follows(second, first));  // nobody knew yet that there would be more
  EXPECT_TRUE(Follows(third, second));
}

TEST_F(PacketMakerTest, EachPacketHasThePolicyOfItsOwnDelivery) {
  engine::TopicRule oldest;
  oldest.slow = engine::SlowPolicy::kDropOldest;
  engine::TopicRule newest;
  newest.slow = engine::SlowPolicy::kDropNewest;
  for (const engine::TopicRule* rule : {&oldest, &newest, &oldest}) {
    engine::Delivery delivery{wire::Topic(test::StreamTopic("chat")), test::MakeFrame("x"), 1};
    delivery.rule = rule;
    EXPECT_EQ(maker_.Make(delivery, dialect::Native())->tag()->slow, rule->slow);
  }
}

TEST_F(PacketMakerTest, ALoneMessageIsNotCopied) {
  Make("one");
  PacketPtr other = Make("x", "news");
  EXPECT_EQ(other->bytes().data(), Encoded().data());
  PacketPtr again = Make("y");
  EXPECT_EQ(again->bytes().data(), Encoded().data());
}

TEST_F(PacketMakerTest, LongMessagesAreNotCopied) {
  Make("one");
  PacketPtr second = Make("two", "chat", 2000);
  EXPECT_EQ(second->bytes().data(), Encoded().data());
  PacketPtr third = Make("three");
  EXPECT_NE(third->bytes().data(), Encoded().data());
}

// Two messages now and again must not each keep a run that was made for thousands. (Sanitizers count nothing here.)
TEST_F(PacketMakerTest, ShortBurstsKeepLittleMemory) {
  constexpr size_t kBursts = 500;
  std::vector<PacketPtr> packets;
  packets.reserve(4 * kBursts);
  size_t before = ::mallinfo2().uordblks;

  for (size_t i = 0; i < kBursts; ++i) {
    for (const char* stream : {"a", "b"}) {
      packets.push_back(Make("one", stream, 100));
      packets.push_back(Make("two", stream, 100));
    }
  }

  size_t kept = ::mallinfo2().uordblks - before;
  EXPECT_LT(kept / packets.size(), 2048u);
}

// However many there are, what was made stays as it was.
TEST_F(PacketMakerTest, AFullRunIsFollowedByAnother) {
  std::vector<PacketPtr> packets;
  std::vector<std::string> expected;
  for (int i = 0; i < 500; ++i) {
    packets.push_back(Make(std::to_string(i), "chat", 200));
    expected.emplace_back(Encoded());
  }

  size_t joined = 0;
  for (size_t i = 0; i < packets.size(); ++i) {
    EXPECT_EQ(packets[i]->bytes(), expected[i]);
    if (i > 0 && Follows(packets[i], packets[i - 1])) ++joined;
  }
  EXPECT_GT(joined, 480u);
}

}  // namespace
}  // namespace carillon::hub
