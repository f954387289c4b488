#include "control/caller_auth.h"

#include <gmock/gmock.h>
#include <grpcpp/test/server_context_test_spouse.h>
#include <gtest/gtest.h>

namespace carillon::control {
namespace {

using ::testing::HasSubstr;

constexpr char kReader[] = "the reader's own secret";

class CallerAuthTest : public ::testing::Test {
 protected:
  CallerAuthTest() {
    auth::ApiKeys keys;
    keys.Add("reader", kReader, {auth::Verb::kRead});
    keys_.Set(std::move(keys));
  }

  Status Check(const std::string& authorization, auth::Verb verb = auth::Verb::kRead) {
    grpc::ServerContext context;
    grpc::testing::ServerContextTestSpouse spouse(&context);
    if (!authorization.empty()) spouse.AddClientMetadata("authorization", authorization);
    Status any = CheckCaller(context, keys_);
    Status status = CheckCaller(context, keys_, verb);
    // A caller whom any key admits is known; the verb only narrows.
    EXPECT_EQ(any.ok(), status.code() != absl::StatusCode::kUnauthenticated) << authorization;
    return status;
  }

  auth::LiveApiKeys keys_{{}};
};

TEST_F(CallerAuthTest, ABearerOfAKeyMay) {
  EXPECT_TRUE(Check(std::string("Bearer ") + kReader).ok());
  EXPECT_TRUE(Check(std::string("bearer ") + kReader).ok());
}

TEST_F(CallerAuthTest, R45EverythingElseGetsTheSameAnswer) {
  const std::string expected = MessageOf(Check(""));
  for (const std::string& authorization :
       {std::string("Bearer "), std::string("Bearer"), std::string("bearer"), std::string("Bearer wrong"),
        std::string(kReader), std::string("Basic ") + kReader, std::string("Bearer  ") + kReader,
        std::string("Bearer ") + kReader + " ", std::string(100'000, 'x')}) {
    Status status = Check(authorization);

    EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated) << authorization.substr(0, 50);
    EXPECT_EQ(MessageOf(status), expected);
  }
}

TEST_F(CallerAuthTest, R46AKeyWithoutTheVerbIsToldWhichOneItLacks) {
  Status status = Check(std::string("Bearer ") + kReader, auth::Verb::kAdmin);

  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(MessageOf(status), HasSubstr("admin"));
}

TEST_F(CallerAuthTest, WithoutKeysEveryoneMay) {
  keys_.Set({});

  EXPECT_TRUE(Check("").ok());
  EXPECT_TRUE(Check("Basic x", auth::Verb::kAdmin).ok());
}

}  // namespace
}  // namespace carillon::control
