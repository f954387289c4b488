#include "control/caller.h"

#include <gmock/gmock.h>
#include <grpcpp/test/server_context_test_spouse.h>
#include <gtest/gtest.h>

#include "tests/support/apps.h"

namespace carillon::control {
namespace {

using ::testing::HasSubstr;

constexpr char kReader[] = "the reader's own secret";

class CallerTest : public ::testing::Test {
 protected:
  CallerTest() {
    auth::ApiKeys keys;
    keys.Add({"reader", {auth::Verb::kRead}, {"default"}, {}}, kReader);
    keys_.Set(std::move(keys));
  }

  Status Check(const std::string& authorization, auth::Verb verb = auth::Verb::kRead) {
    grpc::ServerContext context;
    grpc::testing::ServerContextTestSpouse spouse(&context);
    if (!authorization.empty()) spouse.AddClientMetadata("authorization", authorization);
    Status any = CheckCaller(context, keys_);
    Status status = CheckCaller(context, keys_, apps_, verb).status();
    // A caller whom any key admits is known; the verb only narrows.
    EXPECT_EQ(any.ok(), status.code() != absl::StatusCode::kUnauthenticated) << authorization;
    return status;
  }

  auth::LiveApiKeys keys_{{}};
  auth::LiveApps apps_{*test::ThreeApps()};
};

TEST_F(CallerTest, ABearerOfAKeyMay) {
  EXPECT_TRUE(Check(std::string("Bearer ") + kReader).ok());
  EXPECT_TRUE(Check(std::string("bearer ") + kReader).ok());
}

TEST_F(CallerTest, R45EverythingElseGetsTheSameAnswer) {
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

TEST_F(CallerTest, R46AKeyWithoutTheVerbIsToldWhichOneItLacks) {
  Status status = Check(std::string("Bearer ") + kReader, auth::Verb::kAdmin);

  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(MessageOf(status), HasSubstr("admin"));
}

TEST_F(CallerTest, WithoutKeysEveryoneMay) {
  keys_.Set({});

  EXPECT_TRUE(Check("").ok());
  EXPECT_TRUE(Check("Basic x", auth::Verb::kAdmin).ok());
}

// --- Apps ------------------------------------------------------------------------------------------------------------

// The app that a key gets where a request names one, or the code of the refusal.
std::string AppOf(const std::vector<std::string>& apps, const std::string& named) {
  Caller caller(std::make_shared<const auth::ApiKey>(auth::ApiKey{"key", {}, apps, {}}), test::ThreeApps());
  auto app = caller.AppOf(named);
  return app.ok() ? (*app)->name : std::string(absl::StatusCodeToString(app.status().code()));
}

TEST(CallerAppsTest, AKeyIsForItsAppsAndTheFirstIsMeantUnlessNamed) {
  EXPECT_EQ(AppOf({"default"}, ""), "default");
  EXPECT_EQ(AppOf({"default"}, "default"), "default");
  EXPECT_EQ(AppOf({"default"}, "shop"), "PERMISSION_DENIED");
  EXPECT_EQ(AppOf({"blog", "shop"}, ""), "blog");
  EXPECT_EQ(AppOf({"blog", "shop"}, "shop"), "shop");
  EXPECT_EQ(AppOf({"blog", "shop"}, "default"), "PERMISSION_DENIED");
  EXPECT_EQ(AppOf({"*"}, ""), "default");
  EXPECT_EQ(AppOf({"shop", "*"}, ""), "shop");
  EXPECT_EQ(AppOf({"shop", "*"}, "blog"), "blog");
  EXPECT_EQ(AppOf({"*"}, "blog"), "blog");
}

TEST(CallerAppsTest, OnlyWhoMayKnowOfAllLearnsThatThereIsNone) {
  EXPECT_EQ(AppOf({"*"}, "nowhere"), "NOT_FOUND");
  EXPECT_EQ(AppOf({"default"}, "nowhere"), "PERMISSION_DENIED");
  EXPECT_EQ(AppOf({"gone"}, ""), "NOT_FOUND");
}

}  // namespace
}  // namespace carillon::control
