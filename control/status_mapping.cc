#include "control/status_mapping.h"

#include <google/rpc/error_details.pb.h>
#include <grpcpp/support/status.h>

#include "carillon/v1/codes.pb.h"
#include "gateway/base/check.h"
#include "gateway/wire/code_words.h"

namespace carillon::control {
namespace {

// How long a publisher should wait when the gateway is behind: a shard's turn takes far less.
constexpr int kRetryDelayNanos = 50'000'000;

struct Row {
  absl::StatusCode code;
  std::string_view reason;
};

constexpr Row kReasons[] = {
    {absl::StatusCode::kInvalidArgument, "FIELD_INVALID"},   {absl::StatusCode::kUnauthenticated, "KEY_INVALID"},
    {absl::StatusCode::kPermissionDenied, "KEY_TOO_NARROW"}, {absl::StatusCode::kResourceExhausted, "GATEWAY_BEHIND"},
    {absl::StatusCode::kAlreadyExists, "REQUEST_ID_REUSED"}, {absl::StatusCode::kAborted, "POSITION_MISMATCH"},
    {absl::StatusCode::kFailedPrecondition, "NO_LOG"},       {absl::StatusCode::kUnavailable, "SHUTTING_DOWN"},
    {absl::StatusCode::kUnimplemented, "NOT_SUPPORTED"},     {absl::StatusCode::kNotFound, "APP_UNKNOWN"},
};

}  // namespace

std::string_view UsualReason(absl::StatusCode code) {
  for (const Row& row : kReasons) {
    if (row.code == code) return row.reason;
  }
  return "INTERNAL";
}

std::string ReasonFor(const Status& status) {
  std::string own = ReasonOf(status);
  return own.empty() ? std::string(UsualReason(status.code())) : own;
}

grpc::Status ToGrpc(const Status& status) {
  if (status.ok()) return grpc::Status::OK;
  auto code = static_cast<grpc::StatusCode>(status.code());
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(MessageOf(status));

  google::rpc::ErrorInfo info;
  info.set_domain("carillon");
  info.set_reason(ReasonFor(status));
  CARILLON_DCHECK(wire::NumberOf(*v1::ErrorReason_descriptor(), info.reason()) != 0);
  details.add_details()->PackFrom(info);
  if (std::string field = FieldOf(status); !field.empty()) {
    google::rpc::BadRequest bad;
    google::rpc::BadRequest::FieldViolation* violation = bad.add_field_violations();
    violation->set_field(field);
    violation->set_description(MessageOf(status));
    details.add_details()->PackFrom(bad);
  }
  // Where there are too many of something, trying again soon is of no use.
  if (status.code() == absl::StatusCode::kResourceExhausted && info.reason() != "LIMIT_REACHED") {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_nanos(kRetryDelayNanos);
    details.add_details()->PackFrom(retry);
  }
  return grpc::Status(code, MessageOf(status), details.SerializeAsString());
}

}  // namespace carillon::control
