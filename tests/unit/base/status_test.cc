#include "gateway/base/status.h"

#include <gtest/gtest.h>

namespace carillon {
namespace {

StatusOr<int> Half(int number) {
  if (number % 2 != 0) return InvalidArgument("{} is odd", number);
  return number / 2;
}

StatusOr<int> Quarter(int number) {
  ASSIGN_OR_RETURN(int half, Half(number));
  ASSIGN_OR_RETURN(int quarter, Half(half));
  return quarter;
}

Status CheckFour(int number) {
  RETURN_IF_ERROR(Quarter(number).status());
  return absl::OkStatus();
}

TEST(StatusTest, AFieldErrorNamesItsField) {
  Status status = FieldError("event.meta", "at most 32 entries");

  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MessageOf(status), "event.meta: at most 32 entries");
  EXPECT_EQ(FieldOf(status), "event.meta");
}

TEST(StatusTest, OtherStatusesNameNoField) {
  EXPECT_EQ(FieldOf(absl::OkStatus()), "");
  EXPECT_EQ(FieldOf(InvalidArgument("user_id: looks like one")), "");
}

TEST(StatusTest, BracesInAFieldErrorAreText) {
  EXPECT_EQ(MessageOf(FieldError("user_ids[0]", "{} is no id")), "user_ids[0]: {} is no id");
}

TEST(StatusTest, TheMakersKeepTheirCodes) {
  EXPECT_EQ(FailedPrecondition("{}", 1).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ResourceExhausted("{}", 1).code(), absl::StatusCode::kResourceExhausted);
}

TEST(StatusTest, TheMacrosPassErrorsOn) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(MessageOf(Quarter(6).status()), "3 is odd");
  EXPECT_TRUE(CheckFour(4).ok());
  EXPECT_EQ(MessageOf(CheckFour(5)), "5 is odd");
}

}  // namespace
}  // namespace carillon
