#include "gateway/edge/listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <vector>

#include "tests/support/raw_ws_client.h"

namespace carillon::edge {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct AddressCase {
  std::string text;
  std::string address;  // "": refused
  int port = 0;
};

TEST(ParseAddressTest, TakesLiteralAddressesWithPorts) {
  const AddressCase kCases[] = {
      {"127.0.0.1:7310", "127.0.0.1", 7310},
      {"0.0.0.0:0", "0.0.0.0", 0},
      {"localhost:80", "127.0.0.1", 80},
      {"[::1]:7310", "::1", 7310},
      {"[::]:65535", "::", 65535},
      {"[2001:db8::1]:1", "2001:db8::1", 1},
      {"", ""},
      {"7310", ""},
      {":7310", ""},
      {"127.0.0.1", ""},
      {"127.0.0.1:", ""},
      {"127.0.0.1:x", ""},
      {"127.0.0.1:80x", ""},
      {"127.0.0.1:65536", ""},
      {"127.0.0.1:-1", ""},
      {"127.0.0.1:+1", ""},
      {"127.0.0.1: 80", ""},
      {"127.0.0.256:80", ""},
      {"127.1:80", ""},
      {"example.com:80", ""},
      {"::1", ""},
      {"::1:7310", ""},
      {"[::1]", ""},
      {"[::1:80", ""},
      {"[]:80", ""},
      {"http://127.0.0.1:80", ""},
      {"127.0.0.1:80/", ""},
      {"*:80", ""},
  };
  for (const AddressCase& c : kCases) {
    auto endpoint = ParseAddress(c.text);

    ASSERT_EQ(endpoint.ok(), !c.address.empty()) << c.text;
    if (!endpoint.ok()) {
      EXPECT_THAT(MessageOf(endpoint.status()), HasSubstr('"' + c.text + '"'));
      continue;
    }
    EXPECT_EQ(endpoint->address().to_string(), c.address) << c.text;
    EXPECT_EQ(endpoint->port(), c.port) << c.text;
  }
}

class ListenerTest : public ::testing::Test {
 protected:
  ~ListenerTest() override {
    for (int descriptor : accepted_) ::close(descriptor);
  }

  // Runs handlers until `count` connections were accepted.
  void RunUntil(size_t count) {
    while (accepted_.size() < count) ASSERT_GT(io_.run_one_for(std::chrono::seconds(30)), 0u);
  }

  boost::asio::io_context io_{1};
  std::vector<int> accepted_;
  Listener listener_{io_, [this](int descriptor) { accepted_.push_back(descriptor); }};
};

TEST_F(ListenerTest, SaysWhichPortItTook) {
  ASSERT_TRUE(listener_.Open("127.0.0.1:0").ok());

  EXPECT_THAT(listener_.address(), HasSubstr("127.0.0.1:"));
  EXPECT_THAT(listener_.address(), Not(::testing::EndsWith(":0")));
}

TEST_F(ListenerTest, HandsOutWhatItAccepts) {
  ASSERT_TRUE(listener_.Open("127.0.0.1:0").ok());
  listener_.Start();

  std::vector<test::RawWsClient> clients;
  for (int i = 0; i < 70; ++i) clients.emplace_back(listener_.address());
  RunUntil(70);

  EXPECT_EQ(accepted_.size(), 70u);
}

TEST_F(ListenerTest, APortThatIsTakenIsAnErrorThatNamesIt) {
  ASSERT_TRUE(listener_.Open("127.0.0.1:0").ok());
  Listener second(io_, [](int) {});

  Status status = second.Open(listener_.address());

  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(status), HasSubstr(listener_.address()));
}

TEST_F(ListenerTest, AfterStopNobodyGetsIn) {
  ASSERT_TRUE(listener_.Open("127.0.0.1:0").ok());
  listener_.Start();
  std::string address = listener_.address();

  listener_.Stop();
  io_.run();  // ends: nothing waits any more

  EXPECT_THROW(test::RawWsClient{address}, std::runtime_error);
}

}  // namespace
}  // namespace carillon::edge
