#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/edge/ws_session_fixture.h"

namespace carillon::edge {
namespace {

using test::ClientFrame;
using ::testing::HasSubstr;

TEST_F(WsSessionTest, R21ProtocolErrorsClose1002) {
  ExpectClose(std::string("\x81\x02hi", 4), 1002);                      // unmasked
  ExpectClose("\xc1" + ClientFrame(1, "x").substr(1), 1002);            // RSV1
  ExpectClose("\xa1" + ClientFrame(1, "x").substr(1), 1002);            // RSV2
  ExpectClose(ClientFrame(3, "x"), 1002);                               // a reserved opcode
  ExpectClose(ClientFrame(11, "x"), 1002);                              // a reserved control opcode
  ExpectClose(ClientFrame(9, "x", false), 1002);                        // a fragmented ping
  ExpectClose(ClientFrame(9, std::string(126, 'x')), 1002);             // a long ping
  ExpectClose(ClientFrame(0, "x"), 1002);                               // a continuation of nothing
  ExpectClose(ClientFrame(1, "x", false) + ClientFrame(1, "y"), 1002);  // a new message inside another
  ExpectClose(ClientFrame(8, "\x03"), 1002);                            // half a code
  for (int code : {999, 1004, 1005, 1006, 1015, 2999, 5000, 65535}) {
    ExpectClose(ClientFrame(8, std::string{static_cast<char>(code >> 8), static_cast<char>(code)}), 1002);
  }
}

TEST_F(WsSessionTest, R22BadUtf8Closes1007) {
  ExpectClose(ClientFrame(1, "\xff"), 1007);
  ExpectClose(ClientFrame(1, "\xc3", false) + ClientFrame(0, "x"), 1007);
  ExpectClose(ClientFrame(1, "\xc3", false) + ClientFrame(0, ""), 1007);
  ExpectClose(ClientFrame(8, "\x03\xe8\xff"), 1007);
}

TEST_F(WsSessionTest, R22ACharacterMayBeCutByFragments) {
  RawWsClient client = edge().Join();
  client.SendFrame(1, "{\"action\":\"ping\",\"data\":\"\xe2", false);
  client.SendFrame(0, "\x82", false);
  client.SendFrame(0, "\xac\"}", true);

  EXPECT_THAT(client.ReadFrame().payload, HasSubstr("\xe2\x82\xac"));
}

TEST_F(WsSessionTest, R23TooBigCloses1009OnTheHeaderAlone) {
  settings().max_message_bytes = 1000;
  ExpectClose(ClientFrame(1, std::string(1001, 'x')).substr(0, 8), 1009);
  ExpectClose(ClientFrame(1, std::string(600, 'x'), false) + ClientFrame(0, std::string(600, 'x')), 1009);
  ExpectClose(std::string("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10) + "mask", 1009);
}

TEST_F(WsSessionTest, R24FloodsClose1008) {
  std::string fragments = ClientFrame(1, "", false);
  for (int i = 0; i < 1100; ++i) fragments.append(ClientFrame(0, "", false));
  ExpectClose(fragments, 1008);
  std::string pings;
  for (int i = 0; i < 30; ++i) pings.append(ClientFrame(9, "x"));
  ExpectClose(pings, 1008);
  ExpectEnded(wire::CloseCode::kPolicy, 2);
}

TEST_F(WsSessionTest, R26BinaryCloses1003) {
  ExpectClose(ClientFrame(2, "x"), 1003);
}

TEST_F(WsSessionTest, R27NonsenseKeepsTheSession) {
  RawWsClient client = edge().Join();
  for (int i = 0; i < 20; ++i) {
    client.SendText("{");
    EXPECT_THAT(client.ReadFrame().payload, HasSubstr("not_json"));
  }
  client.SendText(kPing);
  EXPECT_THAT(client.ReadFrame().payload, HasSubstr("pong"));
}

}  // namespace
}  // namespace carillon::edge
