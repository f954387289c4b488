#include <gtest/gtest.h>

#include "gateway/edge/frame_layer.h"
#include "tests/support/seed.h"
#include "tests/unit/edge/frame_layer_fixture.h"

namespace carillon::edge {
namespace {

using hub::MakePacket;
using wire::Opcode;

// Hub packets, what Beast writes, and a reader that takes a little now and then, in random order, over tiny buffers.
// What arrives is exactly the accepted frames, whole and in order; of pongs only those that were replaced are missing;
// after the goodbye there is nothing.
class FrameLayerPropertyTest : public FrameLayerTest, public ::testing::WithParamInterface<bool> {
 protected:
  FrameLayerPropertyTest() : FrameLayerTest(GetParam()) {}
};

INSTANTIATE_TEST_SUITE_P(PlainAndTls, FrameLayerPropertyTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Tls" : "Plain"; });

TEST_P(FrameLayerPropertyTest, NoFrameIsTornReorderedDoubledOrSentAfterTheGoodbye) {
  test::Random random;
  std::vector<std::string> data;
  std::vector<std::string> pongs;
  size_t waiting_limit = 60'000;
  auto random_step = [&] {
    switch (random.Below(5)) {
      case 0:
        if (outbox_.bytes() < waiting_limit) {
          for (size_t burst = 1 + random.Below(40); burst > 0; --burst) {
            data.push_back("d" + std::to_string(data.size()) +
                           std::string(random.OneIn(10) ? random.Below(9000) : random.Below(200), '.'));
            Push(Frame(Opcode::kText, data.back()));
          }
        }
        layer_->Flush();
        break;
      case 1:
        pongs.push_back("p" + std::to_string(pongs.size()));
        BeastWrites(Frame(Opcode::kPong, pongs.back()));
        break;
      case 2:
        layer_->Flush();
        break;
      case 3:
        Run();
        break;
      default:
        PeerReads(1 + random.Below(3000));
    }
  };

  for (int step = 0; step < 20000; ++step) random_step();
  std::string goodbye = wire::CloseFrame(wire::CloseCode::kSlowConsumer, "slow");
  outbox_.Push(MakePacket(goodbye, hub::Packet::Kind::kProtocol));
  outbox_.Seal();
  size_t accepted = data.size();
  size_t accepted_pongs = pongs.size();
  for (int step = 0; step < 1000; ++step) random_step();
  layer_->Flush();
  Drain();

  size_t next_data = 0;
  size_t next_pong = 0;
  std::string_view bytes = received_;
  std::string last;
  while (!bytes.empty()) {
    ASSERT_NE(last, goodbye) << "something follows the goodbye";
    ASSERT_GE(bytes.size(), 2u);
    size_t size = static_cast<uint8_t>(bytes[1]);
    size_t header = size < 126 ? 2 : 4;
    if (header == 4) size = static_cast<size_t>(static_cast<uint8_t>(bytes[2]) << 8 | static_cast<uint8_t>(bytes[3]));
    ASSERT_GE(bytes.size(), header + size) << "a torn frame";
    std::string_view payload = bytes.substr(header, size);
    Opcode opcode = wire::OpcodeOf(static_cast<uint8_t>(bytes[0]));
    if (opcode == Opcode::kText) {
      ASSERT_LT(next_data, accepted);
      ASSERT_EQ(payload, data[next_data++]);
    } else if (opcode == Opcode::kPong) {
      while (next_pong < accepted_pongs && pongs[next_pong] != payload) ++next_pong;  // replaced ones
      ASSERT_LT(next_pong++, accepted_pongs) << "a pong that was not sent, or twice: " << payload;
    }
    last = bytes.substr(0, header + size);
    bytes.remove_prefix(header + size);
  }
  EXPECT_EQ(next_data, accepted);
  EXPECT_EQ(next_pong, accepted_pongs);  // the newest one came
  EXPECT_EQ(last, goodbye);
  EXPECT_GT(owner_.blocked_anew, 10);  // the buffers were small enough for this to mean something
  if (GetParam()) {
    EXPECT_GT(owner_.sent, received_.size());  // records cost a little
  } else {
    EXPECT_EQ(owner_.sent, received_.size());
  }
}

}  // namespace
}  // namespace carillon::edge
