#include "control/status_mapping.h"

#include <gmock/gmock.h>
#include <google/rpc/error_details.pb.h>
#include <grpcpp/support/status.h>
#include <gtest/gtest.h>

#include <optional>

namespace carillon::control {
namespace {

using ::testing::HasSubstr;

google::rpc::Status DetailsOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

// The detail of a type, where there is exactly one.
template <class Detail>
std::optional<Detail> Find(const google::rpc::Status& details) {
  std::optional<Detail> found;
  for (const auto& any : details.details()) {
    Detail detail;
    if (!any.UnpackTo(&detail)) continue;
    EXPECT_FALSE(found.has_value()) << "twice";
    found = detail;
  }
  return found;
}

struct MappingCase {
  Status status;
  grpc::StatusCode code;
  std::string reason;
  std::string field;
  bool retry = false;
};

TEST(StatusMappingTest, EachStatusIsMappedByTheTable) {
  const MappingCase kCases[] = {
      {FieldError("user_ids[3]", "is empty"), grpc::INVALID_ARGUMENT, "FIELD_INVALID", "user_ids[3]"},
      {InvalidArgument("no field"), grpc::INVALID_ARGUMENT, "FIELD_INVALID", ""},
      {absl::UnauthenticatedError("who?"), grpc::UNAUTHENTICATED, "KEY_INVALID", ""},
      {absl::PermissionDeniedError("not you"), grpc::PERMISSION_DENIED, "KEY_TOO_NARROW", ""},
      {ResourceExhausted("behind"), grpc::RESOURCE_EXHAUSTED, "GATEWAY_BEHIND", "", true},
      {absl::UnavailableError("stopping"), grpc::UNAVAILABLE, "SHUTTING_DOWN", ""},
      {absl::UnimplementedError("later"), grpc::UNIMPLEMENTED, "NOT_SUPPORTED", ""},
      {absl::InternalError("oops"), grpc::INTERNAL, "INTERNAL", ""},
      {FailedPrecondition("state"), grpc::FAILED_PRECONDITION, "NO_LOG", ""},
      {WithReason(FailedPrecondition("state"), "NO_PRESENCE"), grpc::FAILED_PRECONDITION, "NO_PRESENCE", ""},
      {absl::AlreadyExistsError("again"), grpc::ALREADY_EXISTS, "REQUEST_ID_REUSED", ""},
      {absl::AbortedError("elsewhere"), grpc::ABORTED, "POSITION_MISMATCH", ""},
      {absl::NotFoundError("no app"), grpc::NOT_FOUND, "APP_UNKNOWN", ""},
  };
  for (const MappingCase& c : kCases) {
    grpc::Status mapped = ToGrpc(c.status);
    google::rpc::Status details = DetailsOf(mapped);
    auto info = Find<google::rpc::ErrorInfo>(details);
    auto bad = Find<google::rpc::BadRequest>(details);
    auto retry = Find<google::rpc::RetryInfo>(details);

    EXPECT_EQ(mapped.error_code(), c.code) << c.status;
    EXPECT_EQ(mapped.error_message(), MessageOf(c.status));
    EXPECT_EQ(details.code(), static_cast<int>(c.code));
    EXPECT_EQ(details.message(), MessageOf(c.status));
    ASSERT_TRUE(info.has_value());
    EXPECT_EQ(info->domain(), "carillon");
    EXPECT_EQ(info->reason(), c.reason);
    ASSERT_EQ(bad.has_value(), !c.field.empty());
    if (bad.has_value()) {
      ASSERT_EQ(bad->field_violations_size(), 1);
      EXPECT_EQ(bad->field_violations(0).field(), c.field);
      EXPECT_THAT(bad->field_violations(0).description(), HasSubstr("is empty"));
    }
    ASSERT_EQ(retry.has_value(), c.retry);
    if (retry.has_value()) {
      EXPECT_GT(retry->retry_delay().seconds() * 1'000'000'000 + retry->retry_delay().nanos(), 0);
    }
  }
}

TEST(StatusMappingTest, OkIsOkWithoutDetails) {
  grpc::Status mapped = ToGrpc(absl::OkStatus());

  EXPECT_TRUE(mapped.ok());
  EXPECT_EQ(mapped.error_details(), "");
}

TEST(StatusMappingTest, EveryCodeKeepsItsNumberAndHasAReason) {
  for (int code = 1; code <= 16; ++code) {
    Status status(static_cast<absl::StatusCode>(code), "x");

    EXPECT_EQ(static_cast<int>(ToGrpc(status).error_code()), code);
    EXPECT_NE(UsualReason(status.code()), "");
  }
}

TEST(StatusMappingTest, DetailsAreSmallEnoughForTrailers) {
  grpc::Status mapped = ToGrpc(FieldError("event.name", std::string(300, 'x')));

  EXPECT_LT(mapped.error_details().size(), 2048u);  // trailers share 8 KiB
}

}  // namespace
}  // namespace carillon::control
