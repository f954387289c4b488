#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "gateway/edge/handshake.h"

namespace carillon::edge {
namespace {

class FindEndpointTest : public ::testing::Test {
 protected:
  FindEndpointTest() {
    for (const char* path : {"/ws", "/ws/deep", "/echo"}) {
      endpoints_.emplace_back().path = path;
      endpoints_.back().session.dialect = std::string_view(path) == "/echo" ? &dialect::EchoBack() : &dialect::Native();
    }
  }

  // "PATH" or "PATH + stream", or "".
  std::string Find(std::string_view path) {
    std::string stream;
    const EndpointRules* found = FindEndpoint(endpoints_, path, &stream);
    if (found == nullptr) return "";
    return stream.empty() ? found->path : found->path + " + " + stream;
  }

  std::vector<EndpointRules> endpoints_;
};

TEST_F(FindEndpointTest, PathsAreWholeAndMayNameOneStream) {
  EXPECT_EQ(Find("/ws"), "/ws");
  EXPECT_EQ(Find("/ws/chat"), "/ws + chat");
  EXPECT_EQ(Find("/ws/deep"), "/ws/deep");  // an endpoint before a stream
  EXPECT_EQ(Find("/ws/deep/chat"), "/ws/deep + chat");
  EXPECT_EQ(Find("/echo"), "/echo");
  EXPECT_EQ(Find("/echo/chat"), "");
  EXPECT_EQ(Find("/ws/"), "");
  EXPECT_EQ(Find("/ws/a/b"), "");
  EXPECT_EQ(Find("/wsx"), "");
  EXPECT_EQ(Find("/w"), "");
  EXPECT_EQ(Find("ws"), "");
  EXPECT_EQ(Find(""), "");
}

TEST(JudgeStreamTest, PrivateAndPresenceStreamsWantAUser) {
  auto alice = std::make_shared<const auth::Identity>();

  EXPECT_FALSE(JudgeStream("chat", nullptr).has_value());
  EXPECT_EQ(JudgeStream("private-x", nullptr)->code, "forbidden");
  EXPECT_EQ(JudgeStream("presence-x", nullptr)->code, "forbidden");
  EXPECT_FALSE(JudgeStream("private-x", alice).has_value());
  EXPECT_EQ(JudgeStream("system", alice)->code, "bad_stream");
  EXPECT_EQ(JudgeStream("a b", alice)->code, "bad_stream");
  EXPECT_EQ(JudgeStream("", alice)->code, "bad_stream");
}

}  // namespace
}  // namespace carillon::edge
