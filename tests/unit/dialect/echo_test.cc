#include "gateway/dialect/echo.h"

#include <gtest/gtest.h>

namespace carillon::dialect {
namespace {

TEST(EchoDialectTest, EveryMessageIsToBeSentBackAsItCame) {
  for (wire::Opcode opcode : {wire::Opcode::kText, wire::Opcode::kBinary}) {
    for (std::string_view payload :
         {std::string_view(), std::string_view("{\"action\":\"ping\"}"), std::string_view("\x00\xff{", 3)}) {
      Command command = EchoBack().Parse(opcode, payload);

      const auto* echo = std::get_if<Echo>(&command);
      ASSERT_NE(echo, nullptr);
      EXPECT_EQ(echo->opcode, opcode);
      EXPECT_EQ(echo->payload, payload);
    }
  }
}

TEST(EchoDialectTest, HasNoWordsOfItsOwn) {
  std::string out;

  EchoBack().AppendReply(out, Welcome{});
  EchoBack().AppendReply(out, Restart{});
  EchoBack().AppendReply(out, Error{"1", {"unknown_action", "what?"}});

  EXPECT_EQ(out, "");
  EXPECT_FALSE(EchoBack().receives_broadcasts());
}

}  // namespace
}  // namespace carillon::dialect
