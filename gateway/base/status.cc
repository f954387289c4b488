#include "gateway/base/status.h"

#include "absl/strings/cord.h"

namespace carillon {
namespace {

constexpr char kFieldPayload[] = "carillon/field";
constexpr char kReasonPayload[] = "carillon/reason";

std::string PayloadOf(const Status& status, const char* name) {
  auto payload = status.GetPayload(name);
  return payload.has_value() ? std::string(*payload) : std::string();
}

}  // namespace

Status FieldError(std::string_view field, std::string_view description) {
  Status status = InvalidArgument("{}: {}", field, description);
  status.SetPayload(kFieldPayload, absl::Cord(std::string(field)));
  return status;
}

std::string FieldOf(const Status& status) {
  return PayloadOf(status, kFieldPayload);
}

Status WithReason(Status status, std::string_view reason) {
  status.SetPayload(kReasonPayload, absl::Cord(std::string(reason)));
  return status;
}

std::string ReasonOf(const Status& status) {
  return PayloadOf(status, kReasonPayload);
}

}  // namespace carillon
