#include "gateway/base/status.h"

#include "absl/strings/cord.h"

namespace carillon {
namespace {

constexpr char kFieldPayload[] = "carillon/field";

}  // namespace

Status FieldError(std::string_view field, std::string_view description) {
  Status status = InvalidArgument("{}: {}", field, description);
  status.SetPayload(kFieldPayload, absl::Cord(std::string(field)));
  return status;
}

std::string FieldOf(const Status& status) {
  auto payload = status.GetPayload(kFieldPayload);
  return payload.has_value() ? std::string(*payload) : std::string();
}

}  // namespace carillon
